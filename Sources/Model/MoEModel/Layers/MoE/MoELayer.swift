import Kernels
import Machine
import Telemetry
import Tensors

/// An MoE layer: each token visits the experts its router chooses, and the shared expert if there is one.
final class MoELayer: FeedForwardLayer {
  private let index: Int
  private let reading: StreamReading
  private let router: Router
  private let weights: MoEWeights
  private let shared: FeedForward?
  private let experts: any RoutedExperts
  private let dispatcher: any ExpertDispatcher
  private let scratch: MoEScratch
  private let input: RowStorage<Float>?
  private let compute: Compute
  /// How ranks of a host share out the router's product, where they do.
  private let hostShares: HostShares?
  /// What is multiplied with when ranks have exchanged what the layer made.
  private let next: NextWeights?

  /// `index` is the layer's number in the model; `input`: where the layer's input is kept.
  init(
    _ index: Int, reading: StreamReading, router: Router, _ weights: MoEWeights, shared: FeedForward?,
    experts: any RoutedExperts, dispatcher: any ExpertDispatcher, scratch: MoEScratch, input: RowStorage<Float>?,
    hostShares: HostShares? = nil, next: NextWeights? = nil, compute: Compute
  ) {
    (self.input, self.hostShares, self.next) = (input, hostShares, next)
    (self.index, self.reading, self.router, self.weights, self.shared) = (index, reading, router, weights, shared)
    (self.experts, self.dispatcher, self.scratch, self.compute) = (experts, dispatcher, scratch, compute)
  }

  var phase: Phase { .gate }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) throws { try forward(stream, pass, through: dispatcher) }

  private func forward(
    _ stream: ResidualStream, _ pass: ForwardPass, through dispatcher: some ExpertDispatcher
  ) throws {
    let rows = pass.rowCount
    scratch.reserve(rows: rows)
    input?.reserve(rows: rows)
    if rows > 0 { route(stream, pass.batch, rows: rows) }
    pass.routing?.add(layer: index, rows: rows, scratch.decisions)
    let normed = experts.rowFormat == .float32 ? stream.normed.plain : stream.normed
    let flight = try dispatcher.dispatch(normed, count: rows, scratch.decisions, layer: index)
    // What lies between its projections travels with that of the experts, where that is exchanged.
    let joins = experts.exchangesSlices
    if rows > 0, let shared { visit(shared, stream.normed, rows: rows, joins: joins) }
    try experts.forward(flight)
    if rows > 0, joins, let shared { finish(shared, rows: rows) }
    try dispatcher.combine(flight, into: stream.update.start, next: next)
    // Travels with the experts' sums, as one number.
    if rows > 0, joins, let outer = shared?.outer {
      compute.pool.run { worker in addShared(to: stream.update, columns: outer.own, worker: worker) }
    }
    try dispatcher.complete(flight, stream.update.start, next: next)
    dispatcher.release(flight)
    if rows > 0 { addUp(stream, addsShared: !joins && shared != nil) }
  }

  /// Chooses each row's experts.
  private func route(_ stream: ResidualStream, _ batch: DecoderBatch, rows: Int) {
    let (decisions, topK) = (scratch.decisions, router.topK)
    let table = weights.tokenExperts?.pointer
    compute.pool.run { worker in
      stream.norm(reading, keeping: input, worker: worker)
      compute.pool.barrier(worker: worker)
      let logits = scratch.logits(rows)
      if let hostShares {
        hostShares.multiply(compute, worker: worker, weights.router, stream.normed, into: logits)
      } else {
        weights.router.multiply(compute, worker: worker, stream.normed, into: logits)
      }
      compute.pool.barrier(worker: worker)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * router.expertCount) { memory in
        let scores = memory.start
        for row in compute.share(of: rows, worker: worker) {
          router.decide(
            logits: logits[row], selectionBias: weights.selectionBias?.pointer,
            given: table.map { UnsafePointer($0 + Int(batch.tokens[row]) * topK) }, scores: scores,
            choice: scores + router.expertCount, experts: decisions.experts.pointer + row * topK,
            weights: decisions.weights.pointer + row * topK, on: compute)
        }
      }
    }
  }

  func tape(rows: Int) -> FeedForwardLayerTape? {
    guard let input else { return nil }
    return .moe(
      input: input.view(rows: rows),
      MoETape(
        logits: scratch.logits(rows), decisions: scratch.decisions, shared: shared?.tape(rows: rows),
        sharedOutput: scratch.shared(rows), sharedGate: scratch.sharedGate(rows)))
  }

  /// The shared expert, and its gate; where it `joins` the experts' exchange up to what is exchanged there.
  private func visit(_ shared: FeedForward, _ x: Rows, rows: Int, joins: Bool) {
    shared.scratch.reserve(rows: rows)
    compute.pool.run { worker in
      weights.sharedGate?.multiply(compute, worker: worker, x, into: scratch.sharedGate(rows))
      shared.expand(x, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      if joins {
        shared.activateOwn(rows: rows, worker: worker)
        compute.pool.barrier(worker: worker)
        return shared.roundOwn(rows: rows, worker: worker)
      }
      shared.activate(rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      shared.contract(into: scratch.shared(rows), worker: worker)
    }
    if joins { return shared.noteProduct(rows: rows) }
    // Travels with the experts' outputs.
    shared.outer?.note(scratch.shared(rows))
  }

  /// The rest of the shared expert, after the experts' exchange.
  private func finish(_ shared: FeedForward, rows: Int) {
    compute.pool.run { worker in
      shared.round(rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      shared.contract(into: scratch.shared(rows), worker: worker)
    }
  }

  /// stream += what the experts made + sigmoid(gate) · what the shared expert made, unless that is among it already.
  private func addUp(_ stream: ResidualStream, addsShared: Bool) {
    compute.pool.run { worker in
      if addsShared { addShared(to: stream.update, columns: 0..<stream.update.columns, worker: worker) }
      stream.addUpdate(reading, worker: worker)
    }
  }

  /// update += sigmoid(gate) · what the shared expert made, in these columns of the worker's rows.
  private func addShared(to update: MatrixView<Float>, columns: Range<Int>, worker: Int) {
    let rows = update.rowCount
    let (output, gate, own) = (scratch.shared(rows).columns(columns), scratch.sharedGate(rows), update.columns(columns))
    for row in compute.share(of: rows, worker: worker) {
      if weights.sharedGate != nil {
        compute.scale(output[row], by: sigmoid(gate[row].pointee), into: output[row], count: columns.count)
      }
      compute.add(output[row], to: own[row], count: columns.count)
    }
  }
}

/// Memory between the stages of MoE layers of one shape.
final class MoEScratch {
  private let logitRows: RowStorage<Float>
  private let sharedRows: RowStorage<Float>
  private let gateRows = RowStorage<Float>(columns: 1)
  private(set) var decisions: RouterDecisions
  private var capacity = 1

  /// `sharedSize` is the hidden size where there is a shared expert, or 0.
  init(expertCount: Int, topK: Int, sharedSize: Int) {
    logitRows = RowStorage(columns: expertCount)
    sharedRows = RowStorage(columns: sharedSize)
    decisions = RouterDecisions(capacity: 1, topK: topK)
  }

  func reserve(rows: Int) {
    logitRows.reserve(rows: rows)
    sharedRows.reserve(rows: rows)
    gateRows.reserve(rows: rows)
    guard capacity < rows else { return }
    capacity = rows + rows / 2
    decisions = RouterDecisions(capacity: capacity, topK: decisions.topK)
  }

  /// `[rows, experts]`
  func logits(_ rows: Int) -> MatrixView<Float> { logitRows.view(rows: rows) }
  /// The shared expert's output, `[rows, hidden]`, and what its gate says, `[rows, 1]`.
  func shared(_ rows: Int) -> MatrixView<Float> { sharedRows.view(rows: rows) }
  func sharedGate(_ rows: Int) -> MatrixView<Float> { gateRows.view(rows: rows) }
}
