import Kernels
import Machine
import Tensors

/// Gated DeltaNet. Each value head has a matrix S `[keyDims, valueDims]` of the sequence's state, in fp32. For a token
/// with query q and key k of unit length (q over √keyDims besides), value v, decay e^g and rate β:
///
///     S := e^g · S;  S := S + k ⊗ β (v − Sᵀk);  out = Sᵀq
///     g = −exp(A) · softplus(a + bias), β = sigmoid(b)
///
/// q, k and v come out of a causal convolution over the latest tokens. The rule is carried out token by token, whatever
/// the number of tokens at once, so that a prompt has the bits of its continuation; the workers share it by heads and
/// by panels of value dimensions, which do not meet.
final class GatedDeltaLayer: SequenceMixer {
  /// Added to the squared length of queries and keys (reference implementation: `l2norm`).
  private static let lengthEpsilon: Float = 1e-6

  private let reading: StreamReading
  let shape: GatedDelta
  private let weights: GatedDeltaWeights
  let state: LayerState
  /// On queries.
  private let scale: Float
  /// Of the norm of what heads recall.
  private let epsilon: Float
  let scratch: GatedDeltaScratch
  private let input: RowStorage<Float>?
  let compute: Compute
  private let slices: DeltaSlices?

  /// `input`: where the layer's input is kept. `shape` and `weights` are those of this rank's heads where there are
  /// `slices`.
  init(
    reading: StreamReading, _ shape: GatedDelta, _ weights: GatedDeltaWeights, state: LayerState, scale: Float,
    epsilon: Float, scratch: GatedDeltaScratch, input: RowStorage<Float>?, slices: DeltaSlices? = nil,
    compute: Compute
  ) {
    self.slices = slices
    (self.reading, self.shape, self.weights, self.state) = (reading, shape, weights, state)
    (self.scale, self.epsilon, self.scratch) = (scale, epsilon, scratch)
    (self.input, self.compute) = (input, compute)
  }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let rows = pass.rowCount
    guard rows > 0 else { return }
    scratch.reserve(rows: rows)
    input?.reserve(rows: rows)
    scratch.nextTask.reset()
    let (batch, pool) = (pass.batch, compute.pool)
    let parts = panelParts(batch)
    compute.pool.run { worker in
      forget(batch, worker: worker)
      stream.norm(reading, keeping: input, worker: worker)
      pool.barrier(worker: worker)
      project(stream.normed, rows: rows, worker: worker)
      pool.barrier(worker: worker)
      forEachHead(batch, rows: rows, worker: worker) { _, _, row, head in prepare(row: row, keyHead: head) }
      pool.barrier(worker: worker)
      forEachHead(batch, rows: rows, worker: worker) { chunk, i, row, head in
        convolve(chunk, index: i, row: row, keyHead: head)
      }
      pool.barrier(worker: worker)
      recall(batch, parts: parts, worker: worker, rows: rows)
      for chunk in compute.share(of: batch.chunks.count, worker: worker) { keepWindow(batch, chunk) }
      pool.barrier(worker: worker)
      finish(rows: rows, worker: worker)
      (slices?.values).finish(
        scratch.values(rows), in: scratch.roundedValues, for: weights.output.rowFormat, compute, worker: worker)
      weights.output.multiply(
        compute, worker: worker, scratch.valueRows(rows), into: (slices?.output).own(of: stream.update))
      (slices?.output).finish(stream.update, compute, worker: worker)
      stream.addUpdate(reading, worker: worker)
    }
  }

  func tape(rows: Int) -> MixerTape? {
    guard let input, let recalled = scratch.recalled?(rows) else { return nil }
    return .delta(
      GatedDeltaTape(
        input: input.view(rows: rows), mixed: scratch.mixed(rows), convolved: scratch.convolved(rows),
        gate: scratch.gate(rows), rates: scratch.rates(rows), betas: scratch.betas(rows), recalled: recalled,
        values: scratch.values(rows)))
  }

  /// Makes `worker`'s share of the chunks that begin their sequences begin anew: where stages are kept, a layer may go
  /// over a batch twice.
  private func forget(_ batch: DecoderBatch, worker: Int) {
    guard input != nil else { return }
    for index in compute.share(of: batch.chunks.count, worker: worker) where batch.chunks[index].startPosition == 0 {
      base(batch.chunks[index].state).update(repeating: 0, count: shape.stateCount)
    }
  }

  private func project(_ x: Rows, rows: Int, worker: Int) {
    let target = shape.projections == .fused ? scratch.fused(rows) : scratch.mixed(rows)
    multiply(weights.input, x, into: target, worker: worker)
    weights.gate?.multiply(compute, worker: worker, x, into: scratch.gate(rows))
    multiply(weights.beta, x, into: scratch.rates(rows), worker: worker)
    let heads = shape.valueHeadCount
    weights.decay?.multiply(compute, worker: worker, x, into: scratch.rates(rows).columns(heads..<(2 * heads)))
  }

  /// The columns of several matrices, one after another.
  private func multiply(_ parts: [PackedMatrix], _ x: Rows, into target: MatrixView<Float>, worker: Int) {
    var first = 0
    for part in parts {
      part.multiply(compute, worker: worker, x, into: target.columns(first..<(first + part.rows)))
      first += part.rows
    }
  }

  /// Calls `body` for each row of the batch and key head that is `worker`'s, with the row's chunk and its place there.
  private func forEachHead(
    _ batch: DecoderBatch, rows: Int, worker: Int,
    _ body: (_ chunk: DecoderBatch.Chunk, _ index: Int, _ row: Int, _ keyHead: Int) -> Void
  ) {
    let heads = shape.keyHeadCount
    let share = compute.share(of: rows * heads, worker: worker)
    for chunk in batch.chunks {
      let first = max(share.lowerBound, chunk.firstRow * heads)
      let end = min(share.upperBound, (chunk.firstRow + chunk.count) * heads)
      for piece in first..<max(first, end) {
        let row = piece / heads
        body(chunk, row - chunk.firstRow, row, piece - row * heads)
      }
    }
  }

  /// One token's projections of a key head and its value heads as the stages after this want them: apart, in the order
  /// of heads; β and e^g.
  private func prepare(row: Int, keyHead: Int) {
    let (heads, each) = (shape.valueHeadCount, shape.valuesPerKey)
    let isFused = shape.projections == .fused
    let (rates, betas) = (scratch.rates(row + 1)[row], scratch.betas(row + 1)[row])
    for i in 0..<each {
      let head = keyHead * each + i
      // Fused: for each key head its betas, and then its decays.
      let place = isFused ? keyHead * 2 * each + i : head
      let (b, a) = (rates[place], rates[place + (isFused ? each : heads)])
      betas[head] = sigmoid(b)
      let softened = softplus(a + weights.decayBias.pointer[head])
      betas[heads + head] = exponential(-(weights.decayRate.pointer[head] * softened))
    }
    guard isFused else { return }
    let (keys, values) = (shape.keyDims, each * shape.valueDims)
    let (mixed, gate) = (scratch.mixed(row + 1)[row], scratch.gate(row + 1)[row])
    let group = scratch.fused(row + 1)[row] + keyHead * 2 * (keys + values)
    (mixed + keyHead * keys).update(from: group, count: keys)
    (mixed + shape.keyWidth + keyHead * keys).update(from: group + keys, count: keys)
    (mixed + 2 * shape.keyWidth + keyHead * values).update(from: group + 2 * keys, count: values)
    (gate + keyHead * values).update(from: group + 2 * keys + values, count: values)
  }

  /// Token `index` of a chunk: a key head's channels, and its value heads', after the convolution, its query and key
  /// brought to their lengths.
  private func convolve(_ chunk: DecoderBatch.Chunk, index: Int, row: Int, keyHead: Int) {
    let (keys, values) = (shape.keyDims, shape.valuesPerKey * shape.valueDims)
    let (query, key) = (keyHead * keys, shape.keyWidth + keyHead * keys)
    convolve(chunk, index: index, row: row, first: query, count: keys)
    convolve(chunk, index: index, row: row, first: key, count: keys)
    convolve(chunk, index: index, row: row, first: 2 * shape.keyWidth + keyHead * values, count: values)
    let out = scratch.convolved(row + 1)[row]
    normalize(out + query, factor: scale)
    normalize(out + key, factor: 1)
  }

  private func normalize(_ vector: UnsafeMutablePointer<Float>, factor: Float) {
    compute.l2Norm(
      vector, stride: shape.keyDims, rows: 1, count: shape.keyDims, epsilon: Self.lengthEpsilon, factor: factor,
      out: vector, outStride: shape.keyDims)
  }

  /// `count` channels from `first` on.
  private func convolve(_ chunk: DecoderBatch.Chunk, index: Int, row: Int, first: Int, count: Int) {
    let (taps, channels) = (shape.taps, shape.channels)
    let window = base(chunk.state)
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: taps) { seen in
      for tap in 0..<taps {
        let at = index - (taps - 1) + tap
        // Row i of the window is the token `taps - 1 - i` before the chunk.
        let token = at < 0 ? window + (index + tap) * channels : scratch.mixed(row + 1)[chunk.firstRow + at]
        seen[tap] = UnsafePointer(token + first)
      }
      compute.causalConvolution(
        UnsafeBufferPointer(seen), weights: weights.convolution.pointer + first, weightStride: channels,
        channels: count, out: scratch.convolved(row + 1)[row] + first)
    }
  }

  /// The norm of what each head recalled, times silu(gate), for the worker's share of rows and heads.
  private func finish(rows: Int, worker: Int) {
    let (heads, dims) = (shape.valueHeadCount, shape.valueDims)
    let (recalled, values, gates) = (recalled(rows), ownValues(rows), scratch.gate(rows))
    for piece in compute.share(of: rows * heads, worker: worker) {
      let (row, head) = (piece / heads, piece % heads)
      compute.gatedRMSNorm(
        recalled[row] + head * dims, stride: dims, gate: gates[row] + head * dims, gateStride: dims, rows: 1,
        count: dims, weight: weights.norm.pointer, epsilon: epsilon, out: values[row] + head * dims, outStride: dims)
    }
  }

  /// What this rank's heads recall.
  func recalled(_ rows: Int) -> MatrixView<Float> { scratch.recalled?(rows) ?? ownValues(rows) }

  /// What becomes of that, of a row of all heads'.
  func ownValues(_ rows: Int) -> MatrixView<Float> { (slices?.values).own(of: scratch.values(rows)) }

  /// This layer's part of a sequence's state.
  func base(_ slot: UnsafeMutablePointer<Float>?) -> UnsafeMutablePointer<Float> {
    guard let slot else { preconditionFailure("a sequence without a state in a model that keeps one") }
    return state.base(slot)
  }
}
