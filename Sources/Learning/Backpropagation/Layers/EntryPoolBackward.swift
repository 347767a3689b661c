import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// One sequence's rows of the batch, and its entries among those of all sequences.
struct SequenceEntries {
  let rows: Range<Int>
  let entries: Range<Int>
}

/// Of what makes entries of tokens (`EntryPool`), by their sums, which are made again: workers share entries, each of
/// which has its own numbers of tokens.
final class EntryPoolBackward {
  private let layer: Int
  private let shape: CompressedAttention.Pool
  private let rotaryDims: Int
  private let epsilon: Float
  private let parts: BackwardParts
  private let valueGradientRows: RowStorage<Float>
  private let gateGradientRows: RowStorage<Float>
  /// `[entries, 3 · dims]`, as `Compute.pool` has them; and what comes of them, before its norm.
  private let sumRows: RowStorage<Float>
  private let meanRows: RowStorage<Float>

  init(_ layer: Int, _ shape: CompressedAttention.Pool, rotaryDims: Int, epsilon: Float, _ parts: BackwardParts) {
    (self.layer, self.shape, self.rotaryDims) = (layer, shape, rotaryDims)
    (self.epsilon, self.parts) = (epsilon, parts)
    valueGradientRows = parts.rows(.poolValues, columns: shape.width)
    gateGradientRows = parts.rows(.poolGates, columns: shape.width)
    sumRows = parts.rows(.entrySums, columns: 3 * shape.dims)
    meanRows = parts.rows(.entryMeans, columns: shape.dims)
  }

  /// Adds to `parts.normedGradient` what comes through entries, whose `gradient`, `[entries, dims]`, is used up.
  func run(_ tape: EntryTape, _ sequences: [SequenceEntries], gradient: MatrixView<Float>) throws {
    let (rows, hidden) = (parts.rowCount, parts.normed.columns)
    for storage in [valueGradientRows, gateGradientRows] { storage.reserve(rows: rows) }
    for storage in [sumRows, meanRows] { storage.reserve(rows: gradient.rowCount) }
    makeMeans(tape, sequences, gradient)
    try parts.norm(
      id(.norm), meanRows.view(rows: gradient.rowCount), gradient, into: gradient, epsilon: epsilon,
      rowsByLeaf: entriesByLeaf(sequences))
    spread(tape, sequences, gradient)
    try addBias(sequences)
    let (values, gates) = (valueGradientRows.view(rows: rows), gateGradientRows.view(rows: rows))
    for (part, dy) in [(ParameterRole.PoolPart.value, values), (.gate, gates)] {
      try parts.gradients.addProduct(id(part), dy: dy, x: parts.normed)
      parts.backThrough(
        parts.matrix(.pool(part), layer, rows: shape.width, columns: hidden), dy: dy, into: parts.normedGradient,
        adding: true)
    }
  }

  private func id(_ part: ParameterRole.PoolPart) -> ParameterID { ParameterID(.pool(part), layer: layer) }

  /// Of each leaf the entries of its sequences.
  private func entriesByLeaf(_ sequences: [SequenceEntries]) -> [Range<Int>] {
    var rest = sequences[...]
    var end = 0
    return parts.gradients.leaves.map { leaf in
      let first = end
      while let next = rest.first, next.rows.upperBound <= leaf.rows.upperBound {
        end = next.entries.upperBound
        rest.removeFirst()
      }
      return first..<end
    }
  }

  /// Calls `body` for the worker's share of all entries, with the first row of an entry's tokens, and whether entries
  /// of its sequence come before it.
  private func forEachEntry(
    _ sequences: [SequenceEntries], worker: Int, _ body: (_ entry: Int, _ row: Int, _ follows: Bool) -> Void
  ) {
    let share = parts.compute.compute.share(of: sequences.last?.entries.upperBound ?? 0, worker: worker)
    for sequence in sequences {
      for entry in share.clamped(to: sequence.entries) {
        let number = entry - sequence.entries.lowerBound
        body(entry, sequence.rows.lowerBound + number * shape.ratio, number > 0)
      }
    }
  }

  /// Calls `body` for each term of an entry, in the order in which they are added: with its row, its first column
  /// there, and its first element of the bias.
  private func forEachTerm(
    _ row: Int, follows: Bool, _ body: (_ row: Int, _ column: Int, _ bias: Int) -> Void
  ) {
    if shape.overlaps, follows {
      for place in 0..<shape.ratio { body(row - shape.ratio + place, 0, place * shape.width) }
    }
    let column = shape.overlaps ? shape.dims : 0
    for place in 0..<shape.ratio { body(row + place, column, place * shape.width + column) }
  }

  /// Makes sums and means again, and turns the gradients by entries back.
  private func makeMeans(_ tape: EntryTape, _ sequences: [SequenceEntries], _ gradient: MatrixView<Float>) {
    let (compute, dims) = (parts.compute.compute, shape.dims)
    let (sums, means) = (sumRows.view(rows: gradient.rowCount), meanRows.view(rows: gradient.rowCount))
    let (bias, angles) = (parts.values.values(id(.gateBias)), parts.entryAngles)
    compute.pool.run { worker in
      forEachEntry(sequences, worker: worker) { entry, row, follows in
        var first = true
        forEachTerm(row, follows: follows) { row, column, place in
          compute.pool(
            tape.values[row] + column, gate: tape.gates[row] + column, bias: bias + place, count: dims, first: first,
            sums: sums[entry])
          first = false
        }
        compute.pooled(sums[entry], count: dims, into: means[entry])
        guard let angles else { return }
        // An entry is turned by the position of its first token.
        compute.rotateGradient(
          gradient[entry] + dims - rotaryDims, heads: 1, headStride: dims, dims: angles.dims,
          cosine: angles.cosines[row], sine: angles.sines[row], interleaved: angles.interleaved)
      }
    }
  }

  /// From the gradients by means to those by tokens' values and gates, which are zero where no entry asks for them.
  private func spread(_ tape: EntryTape, _ sequences: [SequenceEntries], _ gradient: MatrixView<Float>) {
    let (compute, dims, rows, width) = (parts.compute.compute, shape.dims, parts.rowCount, shape.width)
    let (values, gates) = (valueGradientRows.view(rows: rows), gateGradientRows.view(rows: rows))
    let (sums, means) = (sumRows.view(rows: gradient.rowCount), meanRows.view(rows: gradient.rowCount))
    let bias = parts.values.values(id(.gateBias))
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        values[row].update(repeating: 0, count: width)
        gates[row].update(repeating: 0, count: width)
      }
      compute.pool.barrier(worker: worker)
      forEachEntry(sequences, worker: worker) { entry, row, follows in
        forEachTerm(row, follows: follows) { row, column, place in
          compute.poolGradient(
            tape.values[row] + column, gate: tape.gates[row] + column, bias: bias + place, count: dims,
            sums: sums[entry], mean: means[entry], gradient: gradient[entry], valueGradient: values[row] + column,
            gateGradient: gates[row] + column)
        }
      }
    }
  }

  /// Adds up the gradients by gates of the tokens that have a place in common, in the order of tokens.
  private func addBias(_ sequences: [SequenceEntries]) throws {
    let (compute, width, ratio) = (parts.compute.compute, shape.width, shape.ratio)
    let gates = gateGradientRows.view(rows: parts.rowCount)
    try parts.gradients.add(id(.gateBias)) { leaf, part in
      compute.pool.run { worker in
        let share = compute.share(of: width, worker: worker)
        guard !share.isEmpty else { return }
        for sequence in sequences where leaf.contains(sequence.rows.lowerBound) {
          for (i, row) in sequence.rows.enumerated() {
            compute.add(
              gates[row] + share.lowerBound, to: part + i % ratio * width + share.lowerBound, count: share.count)
          }
        }
      }
    }
  }
}
