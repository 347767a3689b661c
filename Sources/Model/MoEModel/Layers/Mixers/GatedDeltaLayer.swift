import Kernels
import Tensors

/// Gated DeltaNet. Each value head has a matrix S `[keyDims, valueDims]` of the sequence's state, in fp32. For a token with
/// query q and key k of unit length (q over √keyDims besides), value v, decay e^g and rate β:
///
///     S := e^g · S;  S := S + k ⊗ β (v − Sᵀk);  out = Sᵀq
///     g = −exp(A) · softplus(a + bias), β = sigmoid(b)
///
/// q, k and v come out of a causal convolution over the latest tokens. The rule is carried out token by token, whatever the
/// number of tokens at once, so that a prompt has the bits of its continuation; the workers share it by heads and by panels
/// of value dimensions, which do not meet.
final class GatedDeltaLayer: SequenceMixer {
  /// Added to the squared length of queries and keys (reference implementation: `l2norm`).
  private static let lengthEpsilon: Float = 1e-6

  private let norm: AlignedBuffer<Float>
  private let shape: GatedDelta
  private let weights: GatedDeltaWeights
  private let state: LayerState
  /// On queries.
  private let scale: Float
  /// Of the norm of what heads recall.
  private let epsilon: Float
  private let scratch: GatedDeltaScratch
  private let input: RowStorage<Float>?
  private let compute: Compute

  /// `input`: where the layer's input is kept.
  init(
    norm: AlignedBuffer<Float>, _ shape: GatedDelta, _ weights: GatedDeltaWeights, state: LayerState, scale: Float,
    epsilon: Float, scratch: GatedDeltaScratch, input: RowStorage<Float>?, compute: Compute
  ) {
    (self.norm, self.shape, self.weights, self.state) = (norm, shape, weights, state)
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
      stream.norm(norm, keeping: input, worker: worker)
      pool.barrier(worker: worker)
      project(stream.normed, rows: rows, worker: worker)
      pool.barrier(worker: worker)
      for row in compute.share(of: rows, worker: worker) { prepare(row: row) }
      pool.barrier(worker: worker)
      batch.forEachRow(compute, worker: worker) { chunk, i, row in convolve(chunk, index: i, row: row) }
      pool.barrier(worker: worker)
      recall(batch, rows: rows, parts: parts, worker: worker)
      for chunk in compute.share(of: batch.chunks.count, worker: worker) { keepWindow(batch, chunk) }
      pool.barrier(worker: worker)
      for row in compute.share(of: rows, worker: worker) { finish(row: row) }
      pool.barrier(worker: worker)
      weights.output.multiply(compute, worker: worker, scratch.valueRows(rows), into: stream.update)
      pool.barrier(worker: worker)
      stream.addUpdate(worker: worker)
    }
  }

  /// There is no backward pass that would want one.
  func tape(rows: Int) -> MixerTape? { nil }

  private func project(_ x: Rows, rows: Int, worker: Int) {
    switch shape.projections {
    case .fused: weights.input.multiply(compute, worker: worker, x, into: scratch.fused(rows))
    case .separate: weights.input.multiply(compute, worker: worker, x, into: scratch.mixed(rows))
    }
    weights.gate?.multiply(compute, worker: worker, x, into: scratch.gate(rows))
    let heads = shape.valueHeadCount
    guard let decay = weights.decay else {
      return weights.beta.multiply(compute, worker: worker, x, into: scratch.rates(rows))
    }
    weights.beta.multiply(compute, worker: worker, x, into: scratch.rates(rows).columns(0..<heads))
    decay.multiply(compute, worker: worker, x, into: scratch.rates(rows).columns(heads..<(2 * heads)))
  }

  /// One token's projections as the stages after this want them: apart, in the order of heads; β and e^g.
  private func prepare(row: Int) {
    let (heads, each) = (shape.valueHeadCount, shape.valuesPerKey)
    let (rates, betas) = (scratch.rates(row + 1)[row], scratch.betas(row + 1)[row])
    for head in 0..<heads {
      // Fused: for each key head its betas, and then its decays.
      let isFused = shape.projections == .fused
      let place = isFused ? head / each * 2 * each + head % each : head
      let (b, a) = (rates[place], rates[place + (isFused ? each : heads)])
      betas[head] = sigmoid(b)
      let softened = softplus(a + weights.decayBias.buffer[head])
      betas[heads + head] = exponential(-(weights.decayRate.buffer[head] * softened))
    }
    guard shape.projections == .fused else { return }
    let (keys, values) = (shape.keyDims, each * shape.valueDims)
    let (mixed, gate) = (scratch.mixed(row + 1)[row], scratch.gate(row + 1)[row])
    for head in 0..<shape.keyHeadCount {
      let group = scratch.fused(row + 1)[row] + head * 2 * (keys + values)
      (mixed + head * keys).update(from: group, count: keys)
      (mixed + shape.keyWidth + head * keys).update(from: group + keys, count: keys)
      (mixed + 2 * shape.keyWidth + head * values).update(from: group + 2 * keys, count: values)
      (gate + head * values).update(from: group + 2 * keys + values, count: values)
    }
  }

  /// Token `index` of a chunk: its channels after the convolution, queries and keys brought to their lengths.
  private func convolve(_ chunk: DecoderBatch.Chunk, index: Int, row: Int) {
    let (taps, channels, keys) = (shape.taps, shape.channels, shape.keyWidth)
    let window = base(chunk.state)
    let out = scratch.convolved(row + 1)[row]
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: taps) { seen in
      for tap in 0..<taps {
        let at = index - (taps - 1) + tap
        // Row i of the window is the token `taps - 1 - i` before the chunk.
        seen[tap] = UnsafePointer(
          at < 0 ? window + (index + tap) * channels : scratch.mixed(row + 1)[chunk.firstRow + at])
      }
      compute.causalConvolution(
        UnsafeBufferPointer(seen), weights: weights.convolution.pointer, weightStride: channels, channels: channels,
        out: out)
    }
    for (vector, factor) in [(out, scale), (out + keys, 1)] {
      compute.l2Norm(
        vector, stride: shape.keyDims, rows: shape.keyHeadCount, count: shape.keyDims, epsilon: Self.lengthEpsilon,
        factor: factor, out: vector, outStride: shape.keyDims)
    }
  }

  /// One token's values: the norm of what each head recalled, times silu(gate), rounded as the output's product wants it.
  private func finish(row: Int) {
    let values = scratch.values(row + 1)[row]
    let dims = shape.valueDims
    compute.gatedRMSNorm(
      values, stride: dims, gate: scratch.gate(row + 1)[row], gateStride: dims, rows: shape.valueHeadCount, count: dims,
      weight: weights.norm.pointer, epsilon: epsilon, out: values, outStride: dims)
    scratch.roundedValues.round(compute, row: row, values)
  }

  /// This layer's part of a sequence's state.
  private func base(_ slot: UnsafeMutablePointer<Float>?) -> UnsafeMutablePointer<Float> {
    guard let slot else { preconditionFailure("a sequence without a state in a model that keeps one") }
    return state.base(slot)
  }
}

// The rule, and what is kept of it.
extension GatedDeltaLayer {
  /// Into how many parts a head's panels are cut, so that no worker is idle for long: one where heads and sequences are many.
  private func panelParts(_ batch: DecoderBatch) -> Int {
    let panels = Compute.deltaPanels(valueDims: shape.valueDims)
    let tasks = max(1, batch.chunks.count * shape.valueHeadCount)
    return min(panels, (4 * compute.workerCount + tasks - 1) / tasks)
  }

  /// Takes (chunk, head, part of its panels) tasks until none is left.
  private func recall(_ batch: DecoderBatch, rows: Int, parts: Int, worker: Int) {
    let panels = Compute.deltaPanels(valueDims: shape.valueDims)
    let tasks = shape.valueHeadCount * parts
    var wanted = scratch.nextTask.take()
    while wanted < batch.chunks.count * tasks {
      let (chunk, task) = (wanted / tasks, wanted % tasks)
      let (head, part) = (task / parts, task % parts)
      recall(
        batch, chunk, head: head, panels: (panels * part / parts)..<(panels * (part + 1) / parts), rows: rows)
      wanted = scratch.nextTask.take()
    }
  }

  /// One head's panels over a chunk, stopping where a snapshot wants them.
  private func recall(_ batch: DecoderBatch, _ chunk: Int, head: Int, panels: Range<Int>, rows: Int) {
    let place = shape.windowCount + head * shape.headStateCount
    let matrix = base(batch.chunks[chunk].state) + place
    let panelCount = shape.keyDims * Compute.deltaPanel
    var done = 0
    for snapshot in batch.snapshots where snapshot.chunk == chunk {
      recall(batch.chunks[chunk], head: head, panels: panels, tokens: done..<snapshot.count, matrix, rows: rows)
      let first = panels.lowerBound * panelCount
      (state.base(snapshot.state) + place + first).update(from: matrix + first, count: panels.count * panelCount)
      done = snapshot.count
    }
    recall(
      batch.chunks[chunk], head: head, panels: panels, tokens: done..<batch.chunks[chunk].count, matrix, rows: rows)
  }

  private func recall(
    _ chunk: DecoderBatch.Chunk, head: Int, panels: Range<Int>, tokens: Range<Int>,
    _ matrix: UnsafeMutablePointer<Float>, rows: Int
  ) {
    guard !tokens.isEmpty else { return }
    let row = chunk.firstRow + tokens.lowerBound
    let (convolved, betas, values) = (scratch.convolved(rows), scratch.betas(rows), scratch.values(rows))
    let (heads, keys) = (shape.valueHeadCount, head / shape.valuesPerKey * shape.keyDims)
    let query = convolved[row] + keys
    compute.deltaRule(
      state: matrix, keyDims: shape.keyDims, valueDims: shape.valueDims, panels: panels,
      DeltaTokens(
        query: query, key: query + shape.keyWidth, keyStride: convolved.stride,
        value: convolved[row] + 2 * shape.keyWidth + head * shape.valueDims, valueStride: convolved.stride,
        decay: betas[row] + heads + head, beta: betas[row] + head, gateStride: betas.stride,
        out: values[row] + head * shape.valueDims, outStride: values.stride),
      count: tokens.count)
  }

  /// Puts the latest tokens' channels into the state's window, and into those of snapshots before that.
  private func keepWindow(_ batch: DecoderBatch, _ index: Int) {
    let chunk = batch.chunks[index]
    let window = base(chunk.state)
    for snapshot in batch.snapshots where snapshot.chunk == index {
      keepWindow(chunk, count: snapshot.count, from: window, to: state.base(snapshot.state))
    }
    keepWindow(chunk, count: chunk.count, from: window, to: window)
  }

  /// The window after `count` tokens of a chunk; it may take its own place, as rows move towards its start only.
  private func keepWindow(
    _ chunk: DecoderBatch.Chunk, count: Int, from window: UnsafeMutablePointer<Float>,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (kept, channels) = (shape.taps - 1, shape.channels)
    for i in 0..<kept {
      let at = count - kept + i
      let source =
        at < 0 ? window + (count + i) * channels : scratch.mixed(chunk.firstRow + at + 1)[chunk.firstRow + at]
      (target + i * channels).update(from: source, count: channels)
    }
  }
}
