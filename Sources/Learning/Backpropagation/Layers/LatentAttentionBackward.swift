import Gradients
import Kernels
import MoEModel
import Tensors

/// Of latent attention in its absorbed form. Workers share sequences; the heads of one are taken in ascending order, in which
/// the gradients of the latents that they share are added.
final class LatentAttentionBackward: MixerBackward {
  /// As in the forward pass.
  private static let epsilon: Float = 1e-6
  private let layer: Int
  private let shape: LatentAttention
  private let window: Int?
  private let parts: BackwardParts
  private let queryGradientRows: RowStorage<Float>
  private let keyValueGradientRows: RowStorage<Float>
  private let valueGradientRows: RowStorage<Float>
  /// Of absorbed queries.
  private let absorbedGradientRows: RowStorage<Float>
  private let queryLatentGradientRows: RowStorage<Float>
  private let workers: [(attended: RowStorage<Float>, keyValue: RowStorage<Float>)]

  init(_ layer: Int, _ shape: LatentAttention, window: Int?, _ parts: BackwardParts) {
    (self.layer, self.shape, self.window, self.parts) = (layer, shape, window, parts)
    let heads = shape.headCount
    queryGradientRows = RowStorage(columns: heads * shape.queryDims)
    keyValueGradientRows = RowStorage(columns: shape.latentRank + shape.rotaryDims)
    valueGradientRows = RowStorage(columns: heads * shape.valueDims)
    absorbedGradientRows = RowStorage(columns: heads * (shape.latentRank + shape.rotaryDims))
    queryLatentGradientRows = RowStorage(columns: shape.queryRank ?? 0)
    workers = (0..<parts.compute.compute.workerCount).map { _ in
      (RowStorage(columns: shape.latentRank), RowStorage(columns: shape.latentRank + shape.rotaryDims))
    }
  }

  func run(_ tape: MixerTape) throws {
    let rows = parts.rowCount
    guard case .latent(let tape) = tape, rows > 0 else { return }
    let hidden = parts.stream.columns
    reserve(rows)
    parts.normalize(tape.input, .attentionNorm, layer: layer)
    // Back through the output's projection, and the heads.
    let values = valueGradientRows.view(rows: rows)
    let width = shape.headCount * shape.valueDims
    parts.backThrough(
      parts.matrix(.attentionOutput, layer, rows: hidden, columns: width), dy: parts.stream, into: values)
    try parts.gradients.addProduct(id(.attentionOutput), dy: parts.stream, x: tape.values)
    attend(tape)
    try addUpProjection(tape)
    // Back through the latents.
    let keyValue = keyValueGradientRows.view(rows: rows)
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
      queryGradientRows, keyValueGradientRows, valueGradientRows, absorbedGradientRows, queryLatentGradientRows,
    ] { storage.reserve(rows: rows) }
    let longest = parts.gradients.leaves.map(\.rows.count).max() ?? 0
    for worker in workers {
      worker.attended.reserve(rows: longest)
      worker.keyValue.reserve(rows: longest)
    }
  }

  /// From the gradients by values to those by queries, and by the latents and the rotated key, of every sequence.
  private func attend(_ tape: LatentAttentionTape) {
    let (leaves, compute) = (parts.gradients.leaves, parts.compute)
    let next = TaskCounter()
    compute.compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < leaves.count else { return }
        attend(tape, leaves[task].rows, worker: worker)
      }
    }
  }

  private func attend(_ tape: LatentAttentionTape, _ rows: Range<Int>, worker: Int) {
    let (compute, latent, keyWidth) = (parts.compute, shape.latentRank, shape.latentRank + shape.rotaryDims)
    let up = upProjection
    let (values, queries) = (
      valueGradientRows.view(rows: rows.upperBound), queryGradientRows.view(rows: rows.upperBound)
    )
    let absorbed = absorbedGradientRows.view(rows: rows.upperBound)
    let keyValue = keyValueGradientRows.view(rows: rows.upperBound).rows(rows)
    for row in 0..<rows.count { keyValue[row].update(repeating: 0, count: keyWidth) }
    for head in 0..<shape.headCount {
      let dValues = values.rows(rows).head(head, of: shape.valueDims)
      let dAttended = workers[worker].attended.view(rows: rows.count)
      let partial = workers[worker].keyValue.view(rows: rows.count)
      let dAbsorbed = absorbed.rows(rows).head(head, of: keyWidth)
      let key = tape.keyValue.rows(rows)
      compute.multiplyAll(StridedMatrix(dValues), by: up.value(head), into: dAttended, worker: worker)
      compute.attend(
        AttentionGradient(
          query: tape.absorbed.rows(rows).head(head, of: keyWidth), key: key, value: key.columns(0..<latent),
          output: tape.attended.rows(rows).head(head, of: latent), outputGradient: dAttended,
          queryGradient: dAbsorbed, keyGradient: partial, valueGradient: partial.columns(0..<latent),
          scale: shape.softmaxScale, window: window), worker: worker)
      let dQuery = queries.rows(rows).head(head, of: shape.queryDims)
      compute.multiplyAll(
        StridedMatrix(dAbsorbed.columns(0..<latent)), by: up.key(head).transposed,
        into: dQuery.columns(0..<shape.nopeDims), worker: worker)
      for row in 0..<rows.count {
        compute.compute.add(partial[row], to: keyValue[row], count: keyWidth)
        let turned = dQuery[row] + shape.nopeDims
        turned.update(from: dAbsorbed[row] + latent, count: shape.rotaryDims)
        turnBack(turned, row: rows.lowerBound + row)
      }
    }
    for row in 0..<rows.count { turnBack(keyValue[row] + latent, row: rows.lowerBound + row) }
  }

  private func turnBack(_ gradient: UnsafeMutablePointer<Float>, row: Int) {
    guard let angles = parts.angles else { return }
    parts.compute.compute.rotateGradient(
      gradient, heads: 1, headStride: shape.rotaryDims, dims: angles.dims, cosine: angles.cosines[row],
      sine: angles.sines[row], interleaved: angles.interleaved)
  }

  /// The gradients of the heads' parts of the latent's up-projection.
  private func addUpProjection(_ tape: LatentAttentionTape) throws {
    let (compute, rowCount) = (parts.compute, parts.rowCount)
    let (values, absorbed) = (valueGradientRows.view(rows: rowCount), absorbedGradientRows.view(rows: rowCount))
    let (latent, keyWidth) = (shape.latentRank, shape.latentRank + shape.rotaryDims)
    try parts.gradients.accumulate(id(.keyValueUp)) { rows, part, adding in
      compute.compute.pool.run { worker in
        for head in compute.compute.share(of: shape.headCount, worker: worker) {
          let first = part + head * (shape.nopeDims + shape.valueDims) * latent
          let query = tape.query.rows(rows).head(head, of: shape.queryDims).columns(0..<shape.nopeDims)
          let dAbsorbed = absorbed.rows(rows).head(head, of: keyWidth).columns(0..<latent)
          compute.multiplyAll(
            StridedMatrix(query).transposed, by: StridedMatrix(dAbsorbed),
            into: MatrixView(first, rows: shape.nopeDims, columns: latent), adding: adding, worker: worker)
          let dValues = values.rows(rows).head(head, of: shape.valueDims)
          let attended = tape.attended.rows(rows).head(head, of: latent)
          compute.multiplyAll(
            StridedMatrix(dValues).transposed, by: StridedMatrix(attended),
            into: MatrixView(first + shape.nopeDims * latent, rows: shape.valueDims, columns: latent), adding: adding,
            worker: worker)
        }
      }
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
  private func normLatent(
    _ role: ParameterRole, _ raw: MatrixView<Float>, _ gradient: MatrixView<Float>
  ) throws {
    let count = role == .keyValueLatentNorm ? shape.latentRank : raw.columns
    try parts.norm(
      id(role), raw.columns(0..<count), gradient.columns(0..<count), into: gradient.columns(0..<count),
      epsilon: Self.epsilon)
  }

  /// Heads' parts of the latent's up-projection, `[heads · (nope + value), latent]`.
  private var upProjection: (key: (Int) -> StridedMatrix, value: (Int) -> StridedMatrix) {
    let (latent, nope, value) = (shape.latentRank, shape.nopeDims, shape.valueDims)
    let start = parts.values.values(id(.keyValueUp))
    func part(_ head: Int, from row: Int, rows: Int) -> StridedMatrix {
      StridedMatrix(start + (head * (nope + value) + row) * latent, rows: rows, columns: latent, rowStride: latent)
    }
    return ({ part($0, from: 0, rows: nope) }, { part($0, from: nope, rows: value) })
  }
}
