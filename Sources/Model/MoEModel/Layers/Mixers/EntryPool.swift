import Kernels
import Tensors

/// What makes entries of tokens (`CompressedAttention.Pool`): in each dimension the mean of what an entry's tokens
/// project to, weighed by the softmax of their gates, with a norm, and turned by the position of the entry's first
/// token. Tokens are folded in one after another; what is kept between them are running sums, `[dims]` in panels of
/// `panelDims`, for the entry at hand and, where entries overlap, for the next one.
final class EntryPool {
  /// Dimensions of one task of a worker, whose sums lie together.
  private static let panelDims = 32

  private let shape: CompressedAttention.Pool
  private let weights: CompressedAttentionWeights.Pool
  private let state: LayerState
  private let rotaryDims: Int
  private let epsilon: Float
  private let rotary: RotaryAngles
  private let scratch: EntryPoolScratch
  private let compute: Compute

  init(
    _ shape: CompressedAttention.Pool, _ weights: CompressedAttentionWeights.Pool, state: LayerState, rotaryDims: Int,
    epsilon: Float, rotary: RotaryAngles, scratch: EntryPoolScratch, compute: Compute
  ) {
    (self.shape, self.weights, self.state) = (shape, weights, state)
    (self.rotaryDims, self.epsilon, self.rotary) = (rotaryDims, epsilon, rotary)
    (self.scratch, self.compute) = (scratch, compute)
  }

  /// The worker's share of all rows' values and gates, from the layer's norm.
  func project(_ x: Rows, rows: Int, worker: Int) {
    weights.value.multiply(compute, worker: worker, x, into: scratch.values(rows))
    weights.gate.multiply(compute, worker: worker, x, into: scratch.gates(rows))
  }

  /// Folds the batch's tokens into their entries, for the worker's share of chunks and panels, after `project`.
  func join(_ batch: DecoderBatch, _ places: GrowingList<EntryChunk>, worker: Int) {
    let panels = (shape.dims + Self.panelDims - 1) / Self.panelDims
    for task in compute.share(of: batch.chunks.count * panels, worker: worker) {
      let (number, panel) = task.quotientAndRemainder(dividingBy: panels)
      let first = panel * Self.panelDims
      join(batch, number, places.elements[number], dims: first..<min(first + Self.panelDims, shape.dims))
    }
  }

  /// One panel over a chunk, stopping where a snapshot wants its sums.
  private func join(_ batch: DecoderBatch, _ number: Int, _ places: EntryChunk, dims: Range<Int>) {
    let chunk = batch.chunks[number]
    guard let slot = chunk.state else { preconditionFailure("a sequence without a state in a model that keeps one") }
    let sums = state.base(slot)
    var done = 0
    for snapshot in batch.snapshots where snapshot.chunk == number {
      join(chunk, places, tokens: done..<snapshot.count, dims: dims, sums)
      let copy = state.base(snapshot.state)
      for first in firstSums(dims) { (copy + first).update(from: sums + first, count: 3 * dims.count) }
      done = snapshot.count
    }
    join(chunk, places, tokens: done..<chunk.count, dims: dims, sums)
  }

  /// Where a panel's sums begin: of the entry at hand, and of the next one.
  private func firstSums(_ dims: Range<Int>) -> [Int] {
    shape.overlaps ? [3 * dims.lowerBound, 3 * (shape.dims + dims.lowerBound)] : [3 * dims.lowerBound]
  }

  private func join(
    _ chunk: DecoderBatch.Chunk, _ places: EntryChunk, tokens: Range<Int>, dims: Range<Int>,
    _ sums: UnsafeMutablePointer<Float>
  ) {
    let (first, count) = (dims.lowerBound, dims.count)
    let (own, next) = (sums + 3 * first, sums + 3 * (shape.dims + first))
    for i in tokens {
      let (entry, place) = (chunk.startPosition + i).quotientAndRemainder(dividingBy: shape.ratio)
      let row = chunk.firstRow + i
      let (values, gates) = (scratch.values(row + 1)[row], scratch.gates(row + 1)[row])
      let bias = weights.gateBias.pointer + place * shape.width
      if shape.overlaps {
        if place == 0, entry > 0 { own.update(from: next, count: 3 * count) }
        let column = shape.dims + first
        compute.pool(
          values + column, gate: gates + column, bias: bias + column, count: count, first: place == 0 && entry == 0,
          sums: own)
        compute.pool(
          values + first, gate: gates + first, bias: bias + first, count: count, first: place == 0, sums: next)
      } else {
        compute.pool(
          values + first, gate: gates + first, bias: bias + first, count: count, first: place == 0, sums: own)
      }
      guard place == shape.ratio - 1 else { continue }
      let mean = places.firstMean + entry - places.before
      compute.pooled(own, count: count, into: scratch.means(mean + 1)[mean] + first)
    }
  }

  /// Norms and turns the worker's share of the batch's complete entries, and gives each to `store`; after `join`.
  func finish(
    _ batch: DecoderBatch, _ places: GrowingList<EntryChunk>, worker: Int,
    _ store: (_ chunk: DecoderBatch.Chunk, _ places: EntryChunk, _ entry: Int, _ key: UnsafePointer<Float>) -> Void
  ) {
    let share = compute.share(of: scratch.meanCount, worker: worker)
    for (number, chunk) in batch.chunks.enumerated() {
      let own = places.elements[number]
      let first = max(share.lowerBound, own.firstMean)
      for mean in first..<max(first, min(share.upperBound, own.firstMean + own.after - own.before)) {
        let (entry, key) = (own.before + mean - own.firstMean, scratch.means(mean + 1)[mean])
        compute.rmsNorm(
          key, stride: shape.dims, rows: 1, count: shape.dims, weight: weights.norm.pointer, epsilon: epsilon,
          out: key, outStride: shape.dims)
        rotary.rotate(key + shape.dims - rotaryDims, at: entry * shape.ratio)
        store(chunk, own, entry, key)
      }
    }
  }
}

/// Memory between the stages of a pool, for layers of one shape.
final class EntryPoolScratch {
  private let valueRows: RowStorage<Float>
  private let gateRows: RowStorage<Float>
  private let meanRows: RowStorage<Float>
  private(set) var meanCount = 0

  init(_ shape: CompressedAttention.Pool) {
    valueRows = RowStorage(columns: shape.width)
    gateRows = RowStorage(columns: shape.width)
    meanRows = RowStorage(columns: shape.dims)
  }

  func reserve(rows: Int, means: Int) {
    valueRows.reserve(rows: rows)
    gateRows.reserve(rows: rows)
    meanRows.reserve(rows: means)
    meanCount = means
  }

  /// `[rows, width]` both.
  func values(_ rows: Int) -> MatrixView<Float> { valueRows.view(rows: rows) }
  func gates(_ rows: Int) -> MatrixView<Float> { gateRows.view(rows: rows) }
  /// `[entries, dims]`: of the entries that the batch completes.
  func means(_ count: Int) -> MatrixView<Float> { meanRows.view(rows: count) }
}
