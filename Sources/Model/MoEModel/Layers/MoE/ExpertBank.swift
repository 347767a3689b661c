import Kernels
import Machine
import Tensors

/// The experts one rank holds, and their arithmetic: visits batched by expert.
///
/// Where many experts have few visits each, workers take whole experts as they become free and never wait for each
/// other. Otherwise, and where workers are on several NUMA nodes, each matrix is split over all workers.
package final class ExpertBank: RoutedExperts {
  private let compute: Compute
  private let hiddenSize: Int
  private let intermediateSize: Int
  private let activation: Activation
  private var expertsByLayer: [[FeedForwardWeights?]]
  /// Keeps the experts' memory alive.
  private let weights: ModelWeights
  /// Visits the buffers have room for, in all and of one run of experts.
  private var capacity = 0
  private var runCapacity = 0
  private var gate = AlignedBuffer<Float>(count: 1)
  private var up = AlignedBuffer<Float>(count: 1)
  /// Input rows by place, an expert's side by side.
  private var gathered: RowBuffer
  private var activated: RowBuffer
  private let nextClaim = TaskCounter()
  private let order: ExpertOrder
  private let claims: [ClaimScratch]
  /// By layer, what the last batch left behind: one for all layers where those of one are kept; empty where nothing is.
  private let tapes: [ExpertTape]

  /// `weights` of a model with MoE layers. Where activations are kept each layer's visits come in one batch, which
  /// leaves its tape behind; rows must be fp32 or bf16.
  package init(
    _ description: DecoderDescription, moe: MoEDescription, weights: ModelWeights, compute: Compute,
    kept: KeptActivations = .none
  ) {
    precondition(kept == .none || weights.expertRowFormat != .int8, "a tape of rows rounded to int8")
    self.compute = compute
    self.weights = weights
    hiddenSize = description.hiddenSize
    intermediateSize = moe.expertIntermediateSize
    activation = moe.activation
    expertsByLayer = weights.runLayers.map { layer in
      if case .moe(let moe) = layer.feedForward { moe.experts } else { [] }
    }
    gathered = RowBuffer(weights.expertRowFormat, columns: hiddenSize, rows: 0)
    activated = RowBuffer(weights.expertRowFormat, columns: intermediateSize, rows: 0)
    let nodes = (0..<compute.workerCount).map { compute.pool.node(ofWorker: $0) }
    let mayClaim = compute.workerCount > 1 && kept == .none && nodes.allSatisfy { $0 == nodes[0] }
    order = ExpertOrder(expertCount: moe.expertCount, workerCount: compute.workerCount, mayClaim: mayClaim)
    let rows = mayClaim ? ExpertOrder.claimVisits : 0
    claims = nodes.map { _ in ClaimScratch(weights.expertRowFormat, rows: rows, columns: moe.expertIntermediateSize)
    }
    let tapeCount =
      switch kept {
      case .none: 0;
      case .all: weights.runLayers.count;
      case .inputs: 1
      }
    tapes = (0..<tapeCount).map { _ in ExpertTape(moe, hiddenSize: description.hiddenSize) }
  }

  /// What the last batch of a layer left behind; nil where nothing is kept.
  package func tape(layer: Int) -> ExpertTape? { tapes.isEmpty ? nil : tapes[min(layer, tapes.count - 1)] }

  package var rowFormat: RowFormat { gathered.format }

  /// Whether this rank holds the expert of the layer, whose number is that in the model.
  package func holds(layer: Int, expert: Int) -> Bool {
    expertsByLayer[layer].indices.contains(expert) && expertsByLayer[layer][expert] != nil
  }

  /// Takes an expert of the layer in, or lets it go; between steps.
  package func set(_ weights: FeedForwardWeights?, layer: Int, expert: Int) { expertsByLayer[layer][expert] = weights }

  /// Every expert visited must be held here.
  package func compute(_ batch: VisitBatch) {
    let visits = UnsafeBufferPointer(start: batch.visits.elements, count: batch.visits.count)
    let tape = tape(layer: batch.layer)
    let order = tape?.order ?? order
    order.sort(visits)
    tape?.begin(visits)
    guard visits.count > 0 else { return }
    nextClaim.reset()
    reserve(visits.count, order)
    batch.distinctExpertCount = order.groups.count + order.claimable.count
    let products = batch.reserveProducts(visits.count * hiddenSize)
    run(layer: batch.layer, order, inputs: batch.inputs.elements, visits: visits, outputs: products, tape)
    let (subtrees, count, ids) = (batch.subtrees.elements, batch.subtrees.count, batch.experts.elements)
    let (rows, first, places) = (batch.outputs.extend(by: count), visits.start, order.placeOf.pointer)
    compute.pool.run { worker in
      for i in compute.share(of: count, worker: worker) {
        rows[i] = sum(first, of: subtrees[i], ids: ids, products: products, places: places)
      }
    }
  }

  /// Computes expert(v)(inputs[row(v)]) for each visit v, `[hidden]`, at its place in `outputs`.
  private func run(
    layer: Int, _ order: ExpertOrder, inputs: UnsafePointer<UnsafeRawPointer>,
    visits: UnsafeBufferPointer<ExpertVisit>, outputs: UnsafeMutablePointer<Float>, _ tape: ExpertTape?
  ) {
    let experts = expertsByLayer[layer]
    let (groups, runs, visitAt) = (order.groups, order.runs, order.visitAt.pointer)
    // Placements send visits only to where their expert is held. Asked once, for all workers.
    for group in groups { precondition(experts[group.expert] != nil, "a visit to an expert that is not held here") }
    for group in order.claimable {
      precondition(experts[group.expert] != nil, "a visit to an expert that is not held here")
    }
    let (hidden, intermediate) = (hiddenSize, intermediateSize)
    // What is not kept is overwritten: a run's rows by the next run's, the gate by what is activated, inputs by
    // outputs.
    let (gate, up) = (tape?.gate.start ?? gate.pointer, tape?.up.start ?? up.pointer)
    let (product, inputRows) = (tape?.product.start ?? gate, tape?.inputs.start ?? outputs)
    let activation = activation
    let (gathered, activated) = (gathered, activated)
    /// An expert's rows lie side by side.
    func gather(_ first: Int, _ count: Int, worker: Int) {
      let share = compute.share(of: count, worker: worker)
      for place in (first + share.lowerBound)..<(first + share.upperBound) {
        let input = inputs[Int(visits[Int(visitAt[place])].row)]
        if gathered.format == .float32 {
          UnsafeMutableRawPointer(inputRows + place * hidden).copyMemory(from: input, byteCount: hidden * 4)
        } else {
          gathered.copy(row: place, from: input)
          guard tape != nil else { continue }
          let bits = input.assumingMemoryBound(to: UInt16.self)
          for i in 0..<hidden { inputRows[place * hidden + i] = Float(bitPattern: UInt32(bits[i]) << 16) }
        }
      }
      compute.pool.barrier(worker: worker)
    }
    compute.pool.run { worker in
      // Many visits of a training fill no cache together: each run's rows are brought there when they are needed.
      if tape == nil { gather(0, visits.count, worker: worker) }
      let x = gathered.rows(of: inputRows, stride: hidden)
      for run in runs {
        if tape != nil { gather(run.first, run.count, worker: worker) }
        let origin = tape == nil ? run.first : 0
        let first = (run.first - origin) * intermediate
        for group in groups[run.groups] {
          let at = (group.first - origin) * intermediate
          experts[group.expert]?.gateAndUp(
            compute, worker: worker, x: x.from(group.first), count: group.count, gate: gate + at, up: up + at,
            stride: intermediate)
        }
        compute.pool.barrier(worker: worker)
        activated.share(compute, worker: worker, product + first, stride: intermediate, count: run.count) {
          row, columns in
          let at = first + row * intermediate + columns.lowerBound
          compute.activate(activation, gate: gate + at, up: up + at, into: product + at, count: columns.count)
        }
        compute.pool.barrier(worker: worker)
        // All have read the run's inputs: where they were fp32, their rows take the results.
        let y = activated.rows(of: product + first, stride: intermediate)
        for group in groups[run.groups] {
          experts[group.expert]?.down.multiply(
            compute, worker: worker, x: y.from(group.first - run.first), count: group.count,
            y: outputs + group.first * hidden, yStride: hidden)
        }
        // The next run writes what others may still be reading, unless all runs' rows are kept.
        if activated.format == .float32, tape == nil { compute.pool.barrier(worker: worker) }
      }
      computeClaims(worker: worker, experts: experts, x: x, outputs: outputs)
    }
  }

  /// Takes experts nobody has taken yet until none is left.
  private func computeClaims(
    worker: Int, experts: [FeedForwardWeights?], x: Rows, outputs: UnsafeMutablePointer<Float>
  ) {
    let (scratch, width, claimable) = (claims[worker], intermediateSize, order.claimable)
    let (gate, up) = (scratch.gate.pointer, scratch.up.pointer)
    while true {
      let claim = nextClaim.take()
      guard claim < claimable.count else { return }
      let group = claimable[claim]
      if worker == 0 { compute.pool.polled?.poll() }
      guard let expert = experts[group.expert] else { continue }
      let rows = x.from(group.first)
      expert.gate.multiplyAll(compute, worker: worker, x: rows, count: group.count, y: gate, yStride: width)
      expert.up.multiplyAll(compute, worker: worker, x: rows, count: group.count, y: up, yStride: width)
      for row in 0..<group.count {
        compute.activate(
          activation, gate: gate + row * width, up: up + row * width, into: gate + row * width, count: width)
        scratch.activated.round(compute, row: row, gate + row * width)
      }
      expert.down.multiplyAll(
        compute, worker: worker, x: scratch.activated.rows(of: gate, stride: width), count: group.count,
        y: outputs + group.first * hiddenSize, yStride: hiddenSize)
    }
  }

  /// Σ weight(v) · product(v), along `CombineTree`, over a subtree's visits; overwrites their products, the first of
  /// which becomes the sum.
  private func sum(
    _ visits: UnsafePointer<ExpertVisit>, of subtree: VisitBatch.Subtree, ids: UnsafePointer<Int32>,
    products: UnsafeMutablePointer<Float>, places: UnsafePointer<Int32>
  ) -> UnsafeMutablePointer<Float> {
    let (first, hidden) = (subtree.first, hiddenSize)
    func product(_ visit: Int) -> UnsafeMutablePointer<Float> { products + Int(places[visit]) * hidden }
    for visit in first..<(first + subtree.count) {
      compute.scale(product(visit), by: visits[visit].weight, into: product(visit), count: hidden)
    }
    CombineTree.visit(ids + first, count: subtree.count) { target, source in
      compute.add(product(first + source), to: product(first + target), count: hidden)
    }
    return product(first)
  }

  private func reserve(_ visits: Int, _ order: ExpertOrder) {
    let longest = order.runs.lazy.map(\.count).max() ?? 0
    if runCapacity < longest {
      runCapacity = longest + longest / 2
      gate = AlignedBuffer(count: runCapacity * intermediateSize)
      up = AlignedBuffer(count: runCapacity * intermediateSize)
      activated = RowBuffer(activated.format, columns: intermediateSize, rows: runCapacity)
    }
    guard capacity < visits else { return }
    capacity = visits + visits / 2
    gathered = RowBuffer(gathered.format, columns: hiddenSize, rows: capacity)
  }
}

/// What one worker needs to compute an expert alone.
private final class ClaimScratch: @unchecked Sendable {
  let gate: AlignedBuffer<Float>
  let up: AlignedBuffer<Float>
  let activated: RowBuffer

  init(_ format: RowFormat, rows: Int, columns: Int) {
    gate = AlignedBuffer(count: max(rows * columns, 1))
    up = AlignedBuffer(count: max(rows * columns, 1))
    activated = RowBuffer(format, columns: columns, rows: rows)
  }
}

extension FeedForwardWeights {
  /// gate(x) and up(x) for this worker's columns; strides count floats.
  func gateAndUp(
    _ compute: Compute, worker: Int, x: Rows, count: Int, gate gateOut: UnsafeMutablePointer<Float>,
    up upOut: UnsafeMutablePointer<Float>, stride: Int
  ) {
    gate.multiply(compute, worker: worker, x: x, count: count, y: gateOut, yStride: stride)
    up.multiply(compute, worker: worker, x: x, count: count, y: upOut, yStride: stride)
  }
}

extension Compute {
  /// out := activation(gate, up), all `[count]`; out may be either.
  package func activate(
    _ activation: Activation, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch activation {
    case .swiGLU: siluMultiply(gate: gate, up: up, out: out, count: count)
    case .clampedSwiGLU(let alpha, let limit):
      clampedSwiGLU(gate: gate, up: up, out: out, count: count, alpha: alpha, limit: limit)
    case .limitedSwiGLU(let limit): limitedSwiGLU(gate: gate, up: up, out: out, count: count, limit: limit)
    }
  }
}
