import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// Of compressed attention over all entries that are complete. Workers share sequences; the heads of one are taken in
/// ascending order, in which the gradients of the keys and entries that they share are added. The choice of an indexer
/// has no gradient: where it would choose, sequences are refused (`checkTrainable`).
final class CompressedAttentionBackward: MixerBackward {
  private let layer: Int
  private let shape: CompressedAttention
  private let scale: Float
  private let epsilon: Float
  private let parts: BackwardParts
  private let pool: EntryPoolBackward?
  private let queryGradientRows: RowStorage<Float>
  private let queryLatentGradientRows: RowStorage<Float>
  private let keyGradientRows: RowStorage<Float>
  private let outputGradientRows: RowStorage<Float>
  private let lowGradientRows: RowStorage<Float>
  /// By entry, `[entries, dims]`.
  private let entryGradientRows: RowStorage<Float>
  /// By head, the product of what it attended and the gradient by that.
  private let meanRows: RowStorage<Float>
  /// By sequence and head.
  private let sinkGradients: RowStorage<Float>
  /// Of one head and sequence: the gradients by keys, and then by entries.
  private let workers: [RowStorage<Float>]
  /// `[headDims]`, of a norm without a weight.
  private let ones: AlignedBuffer<Float>

  init(_ layer: Int, _ shape: CompressedAttention, scale: Float, epsilon: Float, _ parts: BackwardParts) {
    (self.layer, self.shape, self.scale, self.epsilon, self.parts) = (layer, shape, scale, epsilon, parts)
    pool = shape.keyPool.map {
      EntryPoolBackward(layer, $0, rotaryDims: shape.rotaryDims, epsilon: epsilon, parts)
    }
    queryGradientRows = parts.rows(.query, columns: shape.queryWidth)
    queryLatentGradientRows = parts.rows(.queryLatent, columns: shape.queryRank)
    keyGradientRows = parts.rows(.keyValue, columns: shape.headDims)
    outputGradientRows = parts.rows(.output, columns: shape.queryWidth)
    lowGradientRows = parts.rows(.low, columns: shape.groupCount * shape.groupRank)
    entryGradientRows = parts.rows(.entryKeys, columns: shape.headDims)
    meanRows = parts.rows(.means, columns: shape.headCount)
    sinkGradients = parts.rows(.sinks, columns: shape.headCount)
    workers = (0..<parts.compute.compute.workerCount).map { parts.rows(.ofWorker($0), columns: shape.headDims) }
    ones = AlignedBuffer(Array(repeating: 1, count: shape.headDims))
  }

  func run(_ tape: MixerTape) throws {
    let rows = parts.rowCount
    guard case .compressed(let tape) = tape, rows > 0 else { return }
    let (hidden, sequences) = (parts.stream.columns, entries(tape))
    reserve(rows, sequences)
    parts.normalize(tape.input, .attentionNorm, layer: layer)
    try backThroughOutput(tape, hidden: hidden)
    backThroughTurn(tape)
    try attend(tape, sequences)
    try unprepare(tape)
    try backThroughQuery(tape, hidden: hidden)
    let key = keyGradientRows.view(rows: rows)
    try parts.gradients.addProduct(id(.keyValueDown), dy: key, x: parts.normed)
    parts.backThrough(
      parts.matrix(.keyValueDown, layer, rows: shape.headDims, columns: hidden), dy: key, into: parts.normedGradient,
      adding: true)
    if let pool, let entries = tape.entries {
      try pool.run(entries, sequences, gradient: entryGradientRows.view(rows: entries.keys.rowCount))
    }
    try parts.endNorm(tape.input, .attentionNorm, layer: layer)
  }

  private func id(_ role: ParameterRole) -> ParameterID { ParameterID(role, layer: layer) }

  /// The sequences, and which entries are theirs.
  private func entries(_ tape: CompressedAttentionTape) -> [SequenceEntries] {
    var next = 0
    let found = parts.gradients.sequences.map { rows in
      let first = next
      next += shape.ratio.map { rows.count / $0 } ?? 0
      return SequenceEntries(rows: rows, entries: first..<next)
    }
    precondition(next == tape.entries?.keys.rowCount ?? 0, "other entries than in the forward pass")
    return found
  }

  private func reserve(_ rows: Int, _ sequences: [SequenceEntries]) {
    for storage in [
      queryGradientRows, queryLatentGradientRows, keyGradientRows, outputGradientRows, lowGradientRows, meanRows,
    ] { storage.reserve(rows: rows) }
    entryGradientRows.reserve(rows: sequences.last?.entries.upperBound ?? 0)
    sinkGradients.reserve(rows: sequences.count)
    let longest = parts.gradients.longestSequence
    let both = longest + (shape.ratio.map { longest / $0 } ?? 0)
    parts.compute.reserve(tokens: both)
    for worker in workers { worker.reserve(rows: both) }
  }

  /// Back through the output's matrix, and each group's before it.
  private func backThroughOutput(_ tape: CompressedAttentionTape, hidden: Int) throws {
    let (rows, rank, width, groups) = (parts.rowCount, shape.groupRank, shape.groupWidth, shape.groupCount)
    let (outputs, low) = (outputGradientRows.view(rows: rows), lowGradientRows.view(rows: rows))
    parts.backThrough(
      parts.matrix(.attentionOutput, layer, rows: hidden, columns: low.columns), dy: parts.stream, into: low)
    try parts.gradients.addProduct(id(.attentionOutput), dy: parts.stream, x: tape.low)
    let down = parts.matrix(.outputDown, layer, rows: groups * rank, columns: width)
    for group in 0..<groups {
      let own = (group * rank)..<((group + 1) * rank)
      parts.backThrough(
        down.rows(own), dy: low.columns(own), into: outputs.columns((group * width)..<((group + 1) * width)))
    }
    try parts.gradients.addProduct(id(.outputDown), dy: low, x: tape.values, groups: groups)
  }

  /// The products of outputs and their gradients, which turning changes in neither or both; and from the gradients by
  /// outputs that were turned back to those by what heads attended.
  private func backThroughTurn(_ tape: CompressedAttentionTape) {
    let (compute, dims, heads, turned) = (parts.compute.compute, shape.headDims, shape.headCount, shape.rotaryDims)
    let (outputs, means) = (outputGradientRows.view(rows: parts.rowCount), meanRows.view(rows: parts.rowCount))
    let angles = angles
    parts.forEachRow { row in
      for head in 0..<heads {
        means[row][head] = compute.dot(outputs[row] + head * dims, tape.values[row] + head * dims, count: dims)
      }
      guard let angles else { return }
      compute.rotate(
        outputs[row] + dims - turned, heads: heads, headStride: dims, dims: turned, cosine: angles.cosines[row],
        sine: angles.sines[row], interleaved: angles.interleaved)
    }
  }

  /// What the layer turns by.
  private var angles: RotaryTape? { shape.ratio == nil ? parts.angles : parts.entryAngles }

  /// From the gradients by what heads attended to those by queries, keys, entries and sinks, of every sequence.
  private func attend(_ tape: CompressedAttentionTape, _ sequences: [SequenceEntries]) throws {
    let next = TaskCounter()
    parts.compute.compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < sequences.count else { return }
        attend(tape, sequence: task, sequences[task], worker: worker)
      }
    }
    var summed = 0
    try parts.gradients.add(id(.sinks)) { rows, part in
      while summed < sequences.count, sequences[summed].rows.upperBound <= rows.upperBound {
        let own = sinkGradients.view(rows: summed + 1)[summed]
        for head in 0..<shape.headCount { part[head] += own[head] }
        summed += 1
      }
    }
  }

  private func attend(_ tape: CompressedAttentionTape, sequence: Int, _ own: SequenceEntries, worker: Int) {
    let (compute, arithmetic, dims) = (parts.compute, parts.compute.compute, shape.headDims)
    let (rows, count) = (own.rows, own.entries.count)
    func ofRows(_ storage: RowStorage<Float>) -> MatrixView<Float> { storage.view(rows: rows.upperBound).rows(rows) }
    let (queries, dQueries, outputs) = (tape.query.rows(rows), ofRows(queryGradientRows), ofRows(outputGradientRows))
    let (keys, dKeys, values, means) = (
      tape.key.rows(rows), ofRows(keyGradientRows), tape.values.rows(rows), ofRows(meanRows)
    )
    let dEntries = entryGradientRows.view(rows: own.entries.upperBound).rows(own.entries)
    for row in 0..<rows.count { dKeys[row].update(repeating: 0, count: dims) }
    for entry in 0..<count { dEntries[entry].update(repeating: 0, count: dims) }
    let scratch = workers[worker].view(rows: rows.count + count)
    let (dKey, dEntry) = (scratch.rows(0..<rows.count), scratch.rows(rows.count..<(rows.count + count)))
    let (sinks, dSinks) = (parts.values.values(id(.sinks)), sinkGradients.view(rows: sequence + 1)[sequence])
    var entries: AttentionGradient.Entries?
    if let ratio = shape.ratio, let all = tape.entries?.keys {
      entries = AttentionGradient.Entries(keys: all.rows(own.entries), gradient: dEntry, ratio: ratio)
    }
    for head in 0..<shape.headCount {
      compute.attend(
        AttentionGradient(
          query: queries.head(head, of: dims), key: keys, value: keys, output: values.head(head, of: dims),
          outputGradient: outputs.head(head, of: dims), queryGradient: dQueries.head(head, of: dims),
          keyGradient: dKey, valueGradient: dKey, scale: scale, window: shape.window,
          sink: (sinks + head, dSinks + head), entries: entries, means: means.head(head, of: 1)), worker: worker)
      for row in 0..<rows.count { arithmetic.add(dKey[row], to: dKeys[row], count: dims) }
      for entry in 0..<count { arithmetic.add(dEntry[entry], to: dEntries[entry], count: dims) }
    }
  }

  /// Back through rotation and norms of queries and keys, in place.
  private func unprepare(_ tape: CompressedAttentionTape) throws {
    let (compute, dims, heads, turned) = (parts.compute.compute, shape.headDims, shape.headCount, shape.rotaryDims)
    let (query, key) = (queryGradientRows.view(rows: parts.rowCount), keyGradientRows.view(rows: parts.rowCount))
    let (angles, ones, epsilon) = (angles, ones.pointer, epsilon)
    parts.forEachRow { row in
      if let angles {
        for (gradient, heads) in [(query[row], heads), (key[row], 1)] {
          compute.rotateGradient(
            gradient + dims - turned, heads: heads, headStride: dims, dims: turned, cosine: angles.cosines[row],
            sine: angles.sines[row], interleaved: angles.interleaved)
        }
      }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: heads) { scales in
        compute.rmsNormGradient(
          tape.rawQuery[row], stride: dims, gradient: query[row], gradientStride: dims, rows: heads, count: dims,
          weight: ones, epsilon: epsilon, out: query[row], outStride: dims, scales: scales.start)
      }
    }
    try parts.norm(id(.keyValueLatentNorm), tape.rawKey, key, into: key, epsilon: epsilon)
  }

  /// parts.normedGradient := what comes through queries.
  private func backThroughQuery(_ tape: CompressedAttentionTape, hidden: Int) throws {
    let (query, latent) = (
      queryGradientRows.view(rows: parts.rowCount), queryLatentGradientRows.view(rows: parts.rowCount)
    )
    try parts.gradients.addProduct(id(.queryUp), dy: query, x: tape.queryLatent)
    parts.backThrough(
      parts.matrix(.queryUp, layer, rows: query.columns, columns: shape.queryRank), dy: query, into: latent)
    try parts.norm(id(.queryLatentNorm), tape.rawQueryLatent, latent, into: latent, epsilon: epsilon)
    try parts.gradients.addProduct(id(.queryDown), dy: latent, x: parts.normed)
    parts.backThrough(
      parts.matrix(.queryDown, layer, rows: shape.queryRank, columns: hidden), dy: latent,
      into: parts.normedGradient)
  }
}
