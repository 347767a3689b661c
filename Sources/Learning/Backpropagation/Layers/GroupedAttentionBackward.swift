import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// Of attention whose query heads share key heads in groups. Workers share sequences; the heads of one are taken in
/// ascending order, in which the gradients of keys and values that they share are added.
final class GroupedAttentionBackward: MixerBackward {
  private let layer: Int
  private let shape: GroupedAttention
  private let scale: Float
  private let window: Int?
  private let rotates: Bool
  private let epsilon: Float
  private let parts: BackwardParts
  /// Where heads have gates, those are after their queries.
  private let queryGradientRows: RowStorage<Float>
  /// Of keys, then values.
  private let keyValueGradientRows: RowStorage<Float>
  private let outputGradientRows: RowStorage<Float>
  /// By sequence and head.
  private let sinkGradients: RowStorage<Float>
  private let workers: [RowStorage<Float>]

  init(
    _ layer: Int, _ shape: GroupedAttention, scale: Float, window: Int?, rotates: Bool, epsilon: Float,
    _ parts: BackwardParts
  ) {
    (self.layer, self.shape, self.scale, self.window, self.rotates) = (layer, shape, scale, window, rotates)
    (self.epsilon, self.parts) = (epsilon, parts)
    queryGradientRows = parts.rows(.query, columns: shape.headCount * shape.queryStride)
    keyValueGradientRows = parts.rows(.keyValue, columns: 2 * shape.keyValueHeadCount * shape.headDims)
    outputGradientRows = parts.rows(.output, columns: shape.headCount * shape.headDims)
    sinkGradients = parts.rows(.sinks, columns: shape.headCount)
    workers = (0..<parts.compute.compute.workerCount).map { parts.rows(.ofWorker($0), columns: 2 * shape.headDims) }
  }

  func run(_ tape: MixerTape) throws {
    let rows = parts.rowCount
    guard case .grouped(let tape) = tape, rows > 0 else { return }
    let (hidden, dims) = (parts.stream.columns, shape.headDims)
    let (width, keyWidth) = (shape.headCount * dims, shape.keyValueHeadCount * dims)
    for storage in [queryGradientRows, keyValueGradientRows, outputGradientRows] { storage.reserve(rows: rows) }
    parts.normalize(tape.input, .attentionNorm, layer: layer)
    let outputs = outputGradientRows.view(rows: rows)
    parts.backThrough(
      parts.matrix(.attentionOutput, layer, rows: hidden, columns: width), dy: parts.stream, into: outputs)
    try parts.gradients.addProduct(id(.attentionOutput), dy: parts.stream, x: tape.values)
    if shape.hasGate { parts.forEachRow { ungate(tape, row: $0, outputs[$0]) } }
    try attend(tape)
    let (query, keyValue) = (queryGradientRows.view(rows: rows), keyValueGradientRows.view(rows: rows))
    let (key, value) = (keyValue.columns(0..<keyWidth), keyValue.columns(keyWidth..<(2 * keyWidth)))
    try unprepare(tape, query, key, value)
    try backThrough(.query, query, hidden: hidden, adding: false)
    try backThrough(.key, key, hidden: hidden, adding: true)
    try backThrough(.value, value, hidden: hidden, adding: true)
    try parts.endNorm(tape.input, .attentionNorm, layer: layer)
  }

  private func id(_ role: ParameterRole) -> ParameterID { ParameterID(role, layer: layer) }

  /// The output was s · y, s = sigmoid(gate): `outputs` becomes the gradient by y, and the gate gets its own,
  /// (dy · (s y)) · (1 − s).
  private func ungate(_ tape: GroupedAttentionTape, row: Int, _ outputs: UnsafeMutablePointer<Float>) {
    let (dims, compute) = (shape.headDims, parts.compute.compute)
    let (query, values) = (tape.query[row], tape.values[row])
    let gradients = queryGradientRows.view(rows: row + 1)[row]
    for head in 0..<shape.headCount {
      let (gate, first) = (head * shape.queryStride + dims, head * dims)
      let made = gradients + gate
      for i in 0..<dims { made[i] = outputs[first + i] * values[first + i] }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: dims) { opened in
        compute.sigmoids(query + gate, into: opened.start, count: dims)
        for i in 0..<dims {
          outputs[first + i] *= opened[i]
          made[i] *= 1 - opened[i]
        }
      }
    }
  }

  /// A head's columns of queries `[rows, heads · stride]`.
  private func queries(_ view: MatrixView<Float>, _ head: Int) -> MatrixView<Float> {
    view.columns((head * shape.queryStride)..<(head * shape.queryStride + shape.headDims))
  }

  private func backThrough(_ role: ParameterRole, _ dy: MatrixView<Float>, hidden: Int, adding: Bool) throws {
    try parts.gradients.addProduct(id(role), dy: dy, x: parts.normed)
    parts.backThrough(
      parts.matrix(role, layer, rows: dy.columns, columns: hidden), dy: dy, into: parts.normedGradient, adding: adding)
  }

  /// From the gradients by what attention gave to those by queries, keys, values and sinks, of every sequence.
  private func attend(_ tape: GroupedAttentionTape) throws {
    let (sequences, compute) = (parts.gradients.sequences, parts.compute)
    let longest = parts.gradients.longestSequence
    for worker in workers { worker.reserve(rows: longest) }
    sinkGradients.reserve(rows: sequences.count)
    let next = TaskCounter()
    compute.compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < sequences.count else { return }
        attend(tape, sequence: task, sequences[task], worker: worker)
      }
    }
    guard shape.hasSinks else { return }
    var summed = 0
    try parts.gradients.add(id(.sinks)) { rows, part in
      while summed < sequences.count, sequences[summed].upperBound <= rows.upperBound {
        let own = sinkGradients.view(rows: summed + 1)[summed]
        for head in 0..<shape.headCount { part[head] += own[head] }
        summed += 1
      }
    }
  }

  private func attend(_ tape: GroupedAttentionTape, sequence: Int, _ rows: Range<Int>, worker: Int) {
    let (dims, keyWidth) = (shape.headDims, shape.keyValueHeadCount * shape.headDims)
    let keyValue = keyValueGradientRows.view(rows: rows.upperBound).rows(rows)
    let query = queryGradientRows.view(rows: rows.upperBound).rows(rows)
    let outputs = outputGradientRows.view(rows: rows.upperBound).rows(rows)
    for row in 0..<rows.count { keyValue[row].update(repeating: 0, count: 2 * keyWidth) }
    let sinks = shape.hasSinks ? parts.values.values(id(.sinks)) : nil
    let sinkGradient = sinkGradients.view(rows: sequence + 1)[sequence]
    let own = workers[worker].view(rows: rows.count)
    let (dKey, dValue) = (own.columns(0..<dims), own.columns(dims..<(2 * dims)))
    for head in 0..<shape.headCount {
      let firstKey = head / shape.queriesPerKey * dims
      let keys = firstKey..<(firstKey + dims)
      let values = (keyWidth + keys.lowerBound)..<(keyWidth + keys.upperBound)
      let kept = tape.keyValue.rows(rows)
      parts.compute.attend(
        AttentionGradient(
          query: queries(tape.query.rows(rows), head), key: kept.columns(keys),
          value: kept.columns(values), output: tape.attended.rows(rows).head(head, of: dims),
          outputGradient: outputs.head(head, of: dims), queryGradient: queries(query, head),
          keyGradient: dKey, valueGradient: dValue, scale: scale, window: window,
          sink: sinks.map { ($0 + head, sinkGradient + head) }), worker: worker)
      for row in 0..<rows.count {
        parts.compute.compute.add(dKey[row], to: keyValue[row] + keys.lowerBound, count: dims)
        parts.compute.compute.add(dValue[row], to: keyValue[row] + values.lowerBound, count: dims)
      }
    }
  }

  /// Back through rotation, clipping and norms of queries and keys, in place.
  private func unprepare(
    _ tape: GroupedAttentionTape, _ query: MatrixView<Float>, _ key: MatrixView<Float>, _ value: MatrixView<Float>
  ) throws {
    let (dims, keyWidth) = (shape.headDims, key.columns)
    parts.forEachRow { row in
      turnBack(query[row], heads: shape.headCount, stride: shape.queryStride, row: row)
      turnBack(key[row], heads: shape.keyValueHeadCount, stride: dims, row: row)
      guard let clip = shape.clip else { return }
      let raw = tape.rawKeyValue[row]
      unclip(tape.rawQuery[row], count: query.columns, .queryNorm, heads: shape.headCount, clip, query[row])
      unclip(raw, count: keyWidth, .keyNorm, heads: shape.keyValueHeadCount, clip, key[row])
      parts.compute.compute.clipGradient(raw + keyWidth, limit: clip, gradient: value[row], count: keyWidth)
    }
    guard shape.queryKeyNorm != .none else { return }
    let perHead = shape.queryKeyNorm == .perHead
    try parts.norm(
      id(.queryNorm), tape.rawQuery, query, vectors: perHead ? shape.headCount : 1, count: perHead ? dims : nil,
      into: query, epsilon: epsilon)
    try parts.norm(
      id(.keyNorm), tape.rawKeyValue.columns(0..<keyWidth), key, vectors: perHead ? keyWidth / dims : 1, into: key,
      epsilon: epsilon)
  }

  private func turnBack(_ gradient: UnsafeMutablePointer<Float>, heads: Int, stride: Int, row: Int) {
    guard rotates, let angles = parts.angles else { return }
    parts.compute.compute.rotateGradient(
      gradient, heads: heads, headStride: stride, dims: angles.dims, cosine: angles.cosines[row],
      sine: angles.sines[row], interleaved: angles.interleaved)
  }

  /// Zeroes the gradient where what was clipped, `raw` after its norm, lay outside.
  private func unclip(
    _ raw: UnsafeMutablePointer<Float>, count: Int, _ norm: ParameterRole, heads: Int, _ limit: Float,
    _ gradient: UnsafeMutablePointer<Float>
  ) {
    let compute = parts.compute.compute
    guard shape.queryKeyNorm != .none else {
      return compute.clipGradient(raw, limit: limit, gradient: gradient, count: count)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { normed in
      let (vectors, width) = shape.queryKeyNorm == .perHead ? (heads, count / heads) : (1, count)
      compute.rmsNorm(
        raw, stride: width, rows: vectors, count: width, weight: parts.values.values(id(norm)), epsilon: epsilon,
        out: normed.start, outStride: width)
      compute.clipGradient(normed.start, limit: limit, gradient: gradient, count: count)
    }
  }
}
