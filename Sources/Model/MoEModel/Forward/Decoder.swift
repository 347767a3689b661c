import Kernels
import Machine
import Telemetry
import Tensors

/// A model that runs: description, weights and the buffers of a step.
///
/// `forward` is called by one thread (worker 0); each stage is shared by the pool's workers. Every element is computed
/// in one fixed order of operations, whatever the number of workers, the other sequences of the batch, or the way
/// a prompt was cut into chunks.
package final class Decoder {
  /// What MoE layers need beside weights: the experts of this rank, and the way to and from others'.
  package struct Experts {
    let experts: any RoutedExperts
    let dispatcher: any ExpertDispatcher

    package init(experts: any RoutedExperts, dispatcher: any ExpertDispatcher) {
      (self.experts, self.dispatcher) = (experts, dispatcher)
    }
  }

  package let description: DecoderDescription
  let weights: ModelWeights
  let compute: Compute
  let cache: KeyValueCache
  let experts: Experts?
  let router: Router?
  private let phases: PhaseRecorder?
  let frequencies: [Float]
  let nextTask = TaskCounter()
  let attentionScratch: [AttentionScratch]
  var workspace: Workspace
  private var outputs = AlignedBuffer<Float>(count: 1)
  private var outputRows: [Int] = []
  private var roundedOutputs: RowBuffer
  private var logits = AlignedBuffer<Float>(count: 1)
  private var stateRows: [Int] = []
  private var stateBuffer = AlignedBuffer<Float>(count: 1)
  /// Hidden states after the last norm, fp32 `[rows that want them, hiddenSize]`, of the latest step; valid until the
  /// next.
  package var states: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: stateBuffer.pointer, count: stateRows.count * description.hiddenSize)
  }
  /// Called after each mixture layer's choice with the layer, the number of rows and the decisions.
  package var onRouting: ((_ layer: Int, _ rows: Int, _ decisions: RouterDecisions) -> Void)?

  /// `experts` must be given for a model with a mixture.
  package init(
    _ description: DecoderDescription, weights: ModelWeights, compute: Compute, cache: KeyValueCache,
    experts: Experts?, phases: PhaseRecorder? = nil
  ) {
    self.phases = phases
    self.description = description
    self.weights = weights
    self.compute = compute
    self.cache = cache
    self.experts = experts
    router = description.mixture.map { Router($0) }
    attentionScratch = (0..<compute.workerCount).map { _ in AttentionScratch(description, cache: cache) }
    frequencies = description.rotary.inverseFrequencies
    workspace = Workspace(description, rowFormat: weights.rowFormat, rows: 1)
    roundedOutputs = RowBuffer(weights.rowFormat, columns: description.hiddenSize, rows: 0)
  }

  /// Feeds a batch through the model, extending the cache; returns logits `[outputRows, vocabulary]`, valid until the
  /// next call, and leaves `states`. Collective over the ranks of `experts`; the batch may be empty.
  package func forward(_ batch: DecoderBatch) throws -> UnsafeMutableBufferPointer<Float> {
    let rows = batch.tokens.count
    if workspace.rows < rows { workspace = Workspace(description, rowFormat: weights.rowFormat, rows: rows + rows / 2) }
    phases?.enter(.embedding)
    if rows > 0 { embed(batch) }
    for layer in weights.layers.indices {
      phases?.enter(.attention, layer: layer)
      if rows > 0 { attention(layer: layer, batch) }
      switch weights.layers[layer].feedForward {
      case .dense(let feedForward):
        phases?.enter(.dense, layer: layer)
        if rows > 0 { dense(feedForward, layer: layer, rows: rows) }
      case .mixture(let mixture):
        phases?.enter(.gate, layer: layer)
        guard let experts else { preconditionFailure("an MoE layer without experts") }
        try self.mixture(mixture, layer: layer, rows: rows, experts.experts, through: experts.dispatcher)
      }
    }
    phases?.enter(.head)
    batch.findOutputRows(&outputRows, states: &stateRows)
    if !stateRows.isEmpty { normStates(rows: stateRows) }
    return head(rows: outputRows)
  }

  private func embed(_ batch: DecoderBatch) {
    let hidden = description.hiddenSize
    let half = description.rotary.dims / 2
    let (workspace, embedding) = (workspace, weights.embedding)
    compute.pool.run { worker in
      for row in compute.share(of: batch.tokens.count, worker: worker) {
        embedding.expand(row: Int(batch.tokens[row]), into: workspace.hidden.pointer + row * hidden)
      }
      for chunk in batch.chunks {
        for i in compute.share(of: chunk.count, worker: worker) {
          let row = chunk.firstRow + i
          description.rotary.angles(
            at: chunk.startPosition + i, frequencies: frequencies, cosine: workspace.cosine.pointer + row * half,
            sine: workspace.sine.pointer + row * half)
        }
      }
    }
  }

  /// normed := rmsNorm(hidden), rounded too, for this worker's share of rows; to be followed by a barrier.
  func norm(_ weight: AlignedBuffer<Float>, rows: Int, worker: Int) {
    let hidden = description.hiddenSize
    for row in compute.share(of: rows, worker: worker) {
      let normed = workspace.normed.pointer + row * hidden
      compute.rmsNorm(
        workspace.hidden.pointer + row * hidden, stride: hidden, rows: 1, count: hidden, weight: weight.pointer,
        epsilon: description.normEpsilon, out: normed, outStride: hidden)
      workspace.roundedNormed.round(compute, row: row, normed)
    }
  }

  /// The rows `norm` wrote.
  var normed: Rows { workspace.roundedNormed.rows(of: workspace.normed.pointer, stride: description.hiddenSize) }

  /// hidden += x for this worker's share of rows.
  func addResidual(_ x: UnsafePointer<Float>, rows: Int, worker: Int) {
    let hidden = description.hiddenSize
    let share = compute.share(of: rows, worker: worker)
    compute.add(
      x + share.lowerBound * hidden, to: workspace.hidden.pointer + share.lowerBound * hidden,
      count: share.count * hidden)
  }

  private func dense(_ feedForward: FeedForwardWeights, layer: Int, rows: Int) {
    compute.pool.run { worker in
      norm(weights.layers[layer].feedForwardNorm, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      self.feedForward(feedForward, rows: rows, worker: worker, output: workspace.projected.pointer)
      compute.pool.barrier(worker: worker)
      addResidual(workspace.projected.pointer, rows: rows, worker: worker)
    }
  }

  /// output := down(activation(gate(normed), up(normed))); contains two barriers, needs one after it.
  private func feedForward(_ weights: FeedForwardWeights, rows: Int, worker: Int, output: UnsafeMutablePointer<Float>) {
    let width = weights.intermediateSize
    let (gate, up) = (workspace.gate.pointer, workspace.up.pointer)
    weights.gateAndUp(compute, worker: worker, x: normed, count: rows, gate: gate, up: up, stride: width)
    compute.pool.barrier(worker: worker)
    let activated = workspace.activated(width: width)
    activated.share(compute, worker: worker, gate, stride: width, count: rows) { row, columns in
      let at = row * width + columns.lowerBound
      compute.activate(.swiGLU, gate: gate + at, up: up + at, count: columns.count)
    }
    compute.pool.barrier(worker: worker)
    weights.down.multiply(
      compute, worker: worker, x: activated.rows(of: gate, stride: width), count: rows, y: output,
      yStride: description.hiddenSize)
  }

  private func mixture(
    _ mixture: MixtureWeights, layer: Int, rows: Int, _ experts: any RoutedExperts,
    through dispatcher: some ExpertDispatcher
  ) throws {
    let workspace = workspace
    if rows > 0, let router { route(mixture, router, layer: layer, rows: rows) }
    onRouting?(layer, rows, workspace.decisions)
    let flight = try dispatcher.dispatch(normed, count: rows, workspace.decisions, layer: layer)
    if rows > 0, let shared = mixture.shared {
      compute.pool.run { worker in
        mixture.sharedGate?.multiply(
          compute, worker: worker, x: normed, count: rows, y: workspace.sharedGate.pointer, yStride: 1)
        feedForward(shared, rows: rows, worker: worker, output: workspace.shared.pointer)
      }
    }
    try experts.forward(flight)
    try dispatcher.combine(flight, into: workspace.routed.pointer)
    dispatcher.release(flight)
    guard rows > 0 else { return }
    let hidden = description.hiddenSize
    compute.pool.run { worker in
      if mixture.shared != nil {
        for row in compute.share(of: rows, worker: worker) {
          let routed = workspace.routed.pointer + row * hidden
          let shared = workspace.shared.pointer + row * hidden
          if mixture.sharedGate != nil {
            compute.scale(shared, by: sigmoid(workspace.sharedGate.pointer[row]), into: shared, count: hidden)
          }
          compute.add(shared, to: routed, count: hidden)
        }
      }
      addResidual(workspace.routed.pointer, rows: rows, worker: worker)
    }
  }

  private func route(_ mixture: MixtureWeights, _ router: Router, layer: Int, rows: Int) {
    let workspace = workspace
    let count = router.expertCount
    compute.pool.run { worker in
      norm(weights.layers[layer].feedForwardNorm, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      mixture.router.multiply(
        compute, worker: worker, x: normed, count: rows, y: workspace.routerLogits.pointer, yStride: count)
      compute.pool.barrier(worker: worker)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * count) { scratch in
        for row in compute.share(of: rows, worker: worker) {
          router.decide(
            logits: workspace.routerLogits.pointer + row * count, selectionBias: mixture.selectionBias?.pointer,
            scores: scratch.baseAddress!, choice: scratch.baseAddress! + count,
            experts: workspace.decisions.experts.pointer + row * router.topK,
            weights: workspace.decisions.weights.pointer + row * router.topK)
        }
      }
    }
  }

  private func normStates(rows: [Int]) {
    let hidden = description.hiddenSize
    if stateBuffer.count < rows.count * hidden { stateBuffer = AlignedBuffer(count: rows.count * hidden) }
    let (workspace, states) = (workspace, stateBuffer)
    compute.pool.run { worker in
      for i in compute.share(of: rows.count, worker: worker) {
        compute.rmsNorm(
          workspace.hidden.pointer + rows[i] * hidden, stride: hidden, rows: 1, count: hidden,
          weight: weights.finalNorm.pointer, epsilon: description.normEpsilon, out: states.pointer + i * hidden,
          outStride: hidden)
      }
    }
  }

  private func head(rows: [Int]) -> UnsafeMutableBufferPointer<Float> {
    guard !rows.isEmpty else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    let hidden = description.hiddenSize
    let vocabulary = description.vocabularySize
    if outputs.count < rows.count * hidden {
      outputs = AlignedBuffer(count: rows.count * hidden)
      roundedOutputs = RowBuffer(roundedOutputs.format, columns: hidden, rows: rows.count)
    }
    if logits.count < rows.count * vocabulary { logits = AlignedBuffer(count: rows.count * vocabulary) }
    let (workspace, outputs, rounded, logits) = (workspace, outputs, roundedOutputs, logits)
    compute.pool.run { worker in
      for i in compute.share(of: rows.count, worker: worker) {
        compute.rmsNorm(
          workspace.hidden.pointer + rows[i] * hidden, stride: hidden, rows: 1, count: hidden,
          weight: weights.finalNorm.pointer, epsilon: description.normEpsilon, out: outputs.pointer + i * hidden,
          outStride: hidden)
        rounded.round(compute, row: i, outputs.pointer + i * hidden)
      }
      compute.pool.barrier(worker: worker)
      weights.head.multiply(
        compute, worker: worker, x: rounded.rows(of: outputs.pointer, stride: hidden), count: rows.count,
        y: logits.pointer, yStride: vocabulary)
    }
    return UnsafeMutableBufferPointer(start: logits.pointer, count: rows.count * vocabulary)
  }
}
