import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// Of latent attention, with the keys and values of all heads expanded from the latents: what the forward pass computes
/// in its absorbed form, in products over the heads' own dimensions, which are fewer than the latents'. Workers share
/// sequences; the heads of one are taken in ascending order, in which the gradients of the rotated key that they share
/// are added.
final class LatentAttentionBackward: MixerBackward {
  /// As in the forward pass.
  private static let epsilon: Float = 1e-6
  private let layer: Int
  private let shape: LatentAttention
  private let window: Int?
  private let parts: BackwardParts
  private let queryGradientRows: RowStorage<Float>
  /// Of latents, then the rotated key.
  private let keyValueGradientRows: RowStorage<Float>
  private let outputGradientRows: RowStorage<Float>
  /// Each head's key without position, then its value, `[rows, heads · (nope + value)]`, and the gradients by them.
  private let expandedRows: RowStorage<Float>
  private let expandedGradientRows: RowStorage<Float>
  private let queryLatentGradientRows: RowStorage<Float>
  /// Of one head and sequence: queries and keys as they meet, and the gradients by keys.
  private let workers: [RowStorage<Float>]

  init(_ layer: Int, _ shape: LatentAttention, window: Int?, _ parts: BackwardParts) {
    (self.layer, self.shape, self.window, self.parts) = (layer, shape, window, parts)
    let heads = shape.headCount
    queryGradientRows = parts.rows(.query, columns: heads * shape.queryDims)
    keyValueGradientRows = parts.rows(.keyValue, columns: shape.latentRank + shape.rotaryDims)
    outputGradientRows = parts.rows(.output, columns: heads * shape.valueDims)
    expandedRows = parts.rows(.expanded, columns: heads * (shape.nopeDims + shape.valueDims))
    expandedGradientRows = parts.rows(.expandedGradient, columns: heads * (shape.nopeDims + shape.valueDims))
    queryLatentGradientRows = parts.rows(.queryLatent, columns: shape.queryRank ?? 0)
    workers = (0..<parts.compute.compute.workerCount).map { parts.rows(.ofWorker($0), columns: 3 * shape.queryDims) }
  }

  func run(_ tape: MixerTape) throws {
    let rows = parts.rowCount
    guard case .latent(let tape) = tape, rows > 0 else { return }
    let hidden = parts.stream.columns
    reserve(rows)
    parts.normalize(tape.input, .attentionNorm, layer: layer)
    // Back through the output's projection, and the heads.
    let outputs = outputGradientRows.view(rows: rows)
    parts.backThrough(
      parts.matrix(.attentionOutput, layer, rows: hidden, columns: outputs.columns), dy: parts.stream, into: outputs)
    try parts.gradients.addProduct(id(.attentionOutput), dy: parts.stream, x: tape.values)
    expand(tape)
    attend(tape)
    // Back through the latents.
    let (keyValue, latents) = (keyValueGradientRows.view(rows: rows), 0..<shape.latentRank)
    let expanded = expandedGradientRows.view(rows: rows)
    parts.backThrough(upProjection, dy: expanded, into: keyValue.columns(latents))
    try parts.gradients.addProduct(id(.keyValueUp), dy: expanded, x: tape.keyValue.columns(latents))
    try normLatent(.keyValueLatentNorm, tape.rawKeyValue, keyValue)
    try parts.gradients.addProduct(id(.keyValueDown), dy: keyValue, x: parts.normed)
    parts.backThrough(
      parts.matrix(.keyValueDown, layer, rows: keyValue.columns, columns: hidden), dy: keyValue,
      into: parts.normedGradient)
    try backThroughQuery(tape, hidden: hidden)
    try parts.endNorm(tape.input, .attentionNorm, layer: layer)
  }

  private func id(_ role: ParameterRole) -> ParameterID { ParameterID(role, layer: layer) }

  private func reserve(_ rows: Int) {
    for storage in [
      queryGradientRows, keyValueGradientRows, outputGradientRows, expandedRows, expandedGradientRows,
      queryLatentGradientRows,
    ] { storage.reserve(rows: rows) }
    let longest = parts.gradients.longestSequence
    for worker in workers { worker.reserve(rows: longest) }
  }

  /// `[heads · (nope + value), latent]`
  private var upProjection: StridedMatrix {
    parts.matrix(.keyValueUp, layer, rows: expandedRows.columns, columns: shape.latentRank)
  }

  private func expand(_ tape: LatentAttentionTape) {
    let (latents, target) = (tape.keyValue.columns(0..<shape.latentRank), expandedRows.view(rows: parts.rowCount))
    let (compute, up) = (parts.compute, upProjection.transposed)
    compute.compute.pool.run {
      compute.multiply(StridedMatrix(latents), by: up, into: target, precision: .float32, worker: $0)
    }
  }

  /// From the gradients by what attention gave to those by queries, expanded keys and values, and the rotated key, of
  /// every sequence.
  private func attend(_ tape: LatentAttentionTape) {
    let (sequences, compute, angles) = (parts.gradients.sequences, parts.compute, parts.angles)
    let next = TaskCounter()
    compute.compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < sequences.count else { return }
        attend(tape, sequences[task], compute, angles, worker: worker)
      }
    }
  }

  private func attend(
    _ tape: LatentAttentionTape, _ rows: Range<Int>, _ compute: GradientCompute, _ angles: RotaryTape?, worker: Int
  ) {
    // Taken out of the loops: workers that count references to one object wait for each other.
    let arithmetic = compute.compute
    let (nope, latent, dims, rotary) = (shape.nopeDims, shape.latentRank, shape.queryDims, shape.rotaryDims)
    func own(_ storage: RowStorage<Float>) -> MatrixView<Float> { storage.view(rows: rows.upperBound).rows(rows) }
    let (keyValue, dQueries) = (own(keyValueGradientRows), own(queryGradientRows))
    let (expanded, dExpanded, dOutputs) = (own(expandedRows), own(expandedGradientRows), own(outputGradientRows))
    let (queries, absorbed, latents) = (tape.query.rows(rows), tape.absorbed.rows(rows), tape.keyValue.rows(rows))
    let scratch = workers[worker].view(rows: rows.count)
    let (query, key, dKey) = (scratch.head(0, of: dims), scratch.head(1, of: dims), scratch.head(2, of: dims))
    for row in 0..<rows.count {
      (keyValue[row] + latent).update(repeating: 0, count: rotary)
      (key[row] + nope).update(from: latents[row] + latent, count: rotary)
    }
    for head in 0..<shape.headCount {
      let first = head * (nope + shape.valueDims)
      let values = (first + nope)..<(first + nope + shape.valueDims)
      let rotated = head * (latent + rotary) + latent
      for row in 0..<rows.count {
        query[row].update(from: queries[row] + head * dims, count: nope)
        (query[row] + nope).update(from: absorbed[row] + rotated, count: rotary)
        key[row].update(from: expanded[row] + first, count: nope)
      }
      let dQuery = dQueries.head(head, of: dims)
      compute.attend(
        AttentionGradient(
          query: query, key: key, value: expanded.columns(values),
          output: tape.values.rows(rows).head(head, of: shape.valueDims),
          outputGradient: dOutputs.head(head, of: shape.valueDims), queryGradient: dQuery, keyGradient: dKey,
          valueGradient: dExpanded.columns(values), scale: shape.softmaxScale, window: window), worker: worker)
      for row in 0..<rows.count {
        (dExpanded[row] + first).update(from: dKey[row], count: nope)
        arithmetic.add(dKey[row] + nope, to: keyValue[row] + latent, count: rotary)
      }
    }
    for row in 0..<rows.count {
      let place = rows.lowerBound + row
      guard let angles else { continue }
      func turnBack(_ gradient: UnsafeMutablePointer<Float>, heads: Int, stride: Int) {
        arithmetic.rotateGradient(
          gradient, heads: heads, headStride: stride, dims: angles.dims, cosine: angles.cosines[place],
          sine: angles.sines[place], interleaved: angles.interleaved)
      }
      turnBack(keyValue[row] + latent, heads: 1, stride: rotary)
      turnBack(dQueries[row] + nope, heads: shape.headCount, stride: dims)
      guard let factors = angles.queryFactors else { continue }
      arithmetic.scale(
        dQueries[row], by: factors[place].pointee, into: dQueries[row], count: shape.headCount * dims)
    }
  }

  private func backThroughQuery(_ tape: LatentAttentionTape, hidden: Int) throws {
    let query = queryGradientRows.view(rows: parts.rowCount)
    guard let rank = shape.queryRank else {
      try parts.gradients.addProduct(id(.query), dy: query, x: parts.normed)
      parts.backThrough(
        parts.matrix(.query, layer, rows: query.columns, columns: hidden), dy: query, into: parts.normedGradient,
        adding: true)
      return
    }
    let latent = queryLatentGradientRows.view(rows: parts.rowCount)
    try parts.gradients.addProduct(id(.queryUp), dy: query, x: tape.queryLatent)
    parts.backThrough(parts.matrix(.queryUp, layer, rows: query.columns, columns: rank), dy: query, into: latent)
    try normLatent(.queryLatentNorm, tape.rawQueryLatent, latent)
    try parts.gradients.addProduct(id(.queryDown), dy: latent, x: parts.normed)
    parts.backThrough(
      parts.matrix(.queryDown, layer, rows: rank, columns: hidden), dy: latent, into: parts.normedGradient, adding: true
    )
  }

  /// gradient := that by the latent before its norm; columns after the latent stay.
  private func normLatent(_ role: ParameterRole, _ raw: MatrixView<Float>, _ gradient: MatrixView<Float>) throws {
    let count = role == .keyValueLatentNorm ? shape.latentRank : raw.columns
    try parts.norm(
      id(role), raw.columns(0..<count), gradient.columns(0..<count), into: gradient.columns(0..<count),
      epsilon: Self.epsilon)
  }
}
