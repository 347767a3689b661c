import Kernels
import Machine
import Tensors

/// What follows the last layer: the final norm, and the product with the head, of the rows that want either.
final class OutputHead {
  private let norm: AlignedBuffer<Float>
  private let weights: PackedMatrix
  private let epsilon: Float
  private let compute: Compute
  /// How ranks share out the vocabulary, where they do.
  private let slices: RowSlices?
  private let normedRows: RowStorage<Float>
  private let logitRows: RowStorage<Float>
  private let stateRows: RowStorage<Float>
  private let greatestRows = RowStorage<Float>(columns: 2)
  private var rounded: RowBuffer
  /// Rows of the batch that want logits, and states.
  private var outputs: [Int] = []
  private var states: [Int] = []

  /// `slices`: of the vocabulary, where `weights` are this rank's rows only.
  init(
    norm: AlignedBuffer<Float>, _ weights: PackedMatrix, rowFormat: RowFormat, epsilon: Float, compute: Compute,
    slices: RowSlices? = nil
  ) {
    (self.norm, self.weights, self.epsilon, self.compute) = (norm, weights, epsilon, compute)
    self.slices = slices
    normedRows = RowStorage(columns: weights.columns)
    logitRows = RowStorage(columns: slices?.ranges.last?.upperBound ?? weights.rows)
    stateRows = RowStorage(columns: weights.columns)
    rounded = RowBuffer(rowFormat, columns: weights.columns, rows: 0)
  }

  func forward(_ stream: ResidualStream, _ batch: DecoderBatch) -> DecoderOutput {
    batch.findOutputRows(&outputs, states: &states)
    return DecoderOutput(states: normStates(stream), logits: logits(stream))
  }

  private func normStates(_ stream: ResidualStream) -> UnsafeBufferPointer<Float> {
    guard !states.isEmpty else { return UnsafeBufferPointer(start: nil, count: 0) }
    stateRows.reserve(rows: states.count)
    let (hidden, rows, wanted) = (stream.output, stateRows.view(rows: states.count), states)
    compute.pool.run { worker in
      for i in compute.share(of: wanted.count, worker: worker) { norm(hidden[wanted[i]], into: rows[i]) }
    }
    return UnsafeBufferPointer(start: rows.start, count: rows.rowCount * rows.columns)
  }

  private func logits(_ stream: ResidualStream) -> UnsafeMutableBufferPointer<Float> {
    guard !outputs.isEmpty else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    let logits = logits(stream, rows: outputs).logits
    return UnsafeMutableBufferPointer(start: logits.start, count: logits.rowCount * logits.columns)
  }

  /// Norms `[rows, hidden]` and logits `[rows, vocabulary]` of some of the batch's rows; valid until the next call.
  func logits(_ stream: ResidualStream, rows wanted: [Int]) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    multiply(stream, rows: wanted, gathers: true)
  }

  /// Appends to `tokens` the one with the greatest logit for each of some of the batch's rows, of equals the lowest id;
  /// -1 where logits are not finite. Where ranks share out the vocabulary they exchange the greatest of each only.
  func greatest(_ stream: ResidualStream, rows wanted: [Int], into tokens: inout [Int32]) {
    guard !wanted.isEmpty else { return }
    let logits = multiply(stream, rows: wanted, gathers: false).logits
    let ranges = slices?.ranges ?? [0..<logits.columns]
    let own = slices?.gatherer.slice.rank ?? 0
    // Of each row and rank the greatest logit, and its token's bits.
    greatestRows.reserve(rows: wanted.count * ranges.count)
    let found = greatestRows.view(rows: wanted.count * ranges.count)
    for row in wanted.indices {
      let (value, token) = greatest(logits[row] + ranges[own].lowerBound, count: ranges[own].count)
      let place = found[row * ranges.count + own]
      place[0] = value
      place[1] = Float(bitPattern: UInt32(bitPattern: token + Int32(ranges[own].lowerBound)))
    }
    if let gatherer = slices?.gatherer {
      for rank in ranges.indices where !ranges[rank].isEmpty {
        let pieces = MatrixView(found[rank], rows: wanted.count, columns: 2, stride: 2 * ranges.count)
        gatherer.exchange.add(SlicePiece(pieces), from: rank)
      }
      gatherer.run()
    }
    for row in wanted.indices {
      var (highest, token) = (-Float.infinity, Int32(-1))
      for rank in ranges.indices where !ranges[rank].isEmpty {
        let place = found[row * ranges.count + rank]
        if place[0] > highest || place[0].isNaN {
          (highest, token) = (place[0], Int32(bitPattern: place[1].bitPattern))
        }
        if highest.isNaN { break }
      }
      tokens.append(highest.isFinite ? token : -1)
    }
  }

  private func greatest(_ scores: UnsafePointer<Float>, count: Int) -> (value: Float, token: Int32) {
    let highest = compute.max(scores, count: count)
    for token in 0..<count where scores[token] == highest { return (highest, Int32(token)) }
    return (highest, 0)
  }

  /// Of the logits this rank's columns only, unless `gathers`.
  private func multiply(
    _ stream: ResidualStream, rows wanted: [Int], gathers: Bool
  ) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    normedRows.reserve(rows: wanted.count)
    logitRows.reserve(rows: wanted.count)
    rounded = rounded.reserving(rows: wanted.count)
    let (hidden, normed, rounded) = (stream.output, normedRows.view(rows: wanted.count), rounded)
    let logits = logitRows.view(rows: wanted.count)
    compute.pool.run { worker in
      for i in compute.share(of: wanted.count, worker: worker) {
        norm(hidden[wanted[i]], into: normed[i])
        rounded.round(compute, row: i, normed[i])
      }
      compute.pool.barrier(worker: worker)
      weights.multiply(compute, worker: worker, rounded.rows(of: normed), into: slices.own(of: logits))
      if gathers { slices?.gather(logits, compute, worker: worker) }
    }
    return (normed, logits)
  }

  private func norm(_ hidden: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    let count = weights.columns
    compute.rmsNorm(
      hidden, stride: count, rows: 1, count: count, weight: norm.pointer, epsilon: epsilon, out: out, outStride: count)
  }
}
