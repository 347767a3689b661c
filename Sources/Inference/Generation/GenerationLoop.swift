import ExpertParallelism
import Fabric
import Machine
import MoEModel

/// The loop of rank 0: plans a step, has every rank carry it out, and tells what came of it. Token ids only.
package final class GenerationLoop {
  private let engine: RankEngine
  private var scheduler: Scheduler
  private let limits: SchedulerLimits
  private var nextID: Int32 = 0
  private var hasStopped = false
  package private(set) var statistics = LoopStatistics()

  package init(engine: RankEngine, limits: SchedulerLimits) {
    self.engine = engine
    self.limits = limits
    scheduler = Scheduler(limits: limits, rankCount: engine.communicator.size)
  }

  package var hasWork: Bool { scheduler.hasWork }

  /// Queues a request after checking that it can be carried out; `index` names it in errors.
  package func submit(_ request: GenerationRequest, index: Int = 0) throws(InferenceError) -> SequenceID {
    let request = try request.checked(against: engine.decoder.description, index: index)
    let capacity = request.capacity
    guard KeyValueCache.blockCount(tokens: capacity) <= limits.blocksPerRank else {
      throw .cacheTooSmall(
        index: index, tokens: capacity, capacity: limits.blocksPerRank * KeyValueCache.blockTokens)
    }
    let id = SequenceID(nextID)
    nextID += 1
    scheduler.submit(request, id: id)
    return id
  }

  /// Ends a sequence before its time; its memory is free with the next step.
  package func cancel(_ id: SequenceID) { scheduler.end(id) }

  /// Runs one step on all ranks. Throws `interrupted` when a rank was asked to stop. Other ranks must be in `follow()`.
  package func step() throws -> [GenerationEvent] {
    guard !Interrupt.requested else { throw InferenceError.interrupted }
    let clock = ContinuousClock()
    let start = clock.now
    let plan = scheduler.plan()
    var bytes = plan.encoded()
    try engine.communicator.broadcast(&bytes, from: Rank(0))
    let planned = clock.now
    let own = try engine.execute(plan)
    let executed = clock.now
    let outcomes = try engine.communicator.gather(own, to: Rank(0)) ?? [own]
    var events: [GenerationEvent] = []
    var interrupted = false
    for (rank, bytes) in outcomes.enumerated() {
      let items = plan.items.filter { $0.home.index == rank }
      let outcome = try StepOutcome(decoding: bytes, from: Rank(rank), itemCount: items.count)
      interrupted = interrupted || outcome.interrupted
      statistics.bytesSent += outcome.bytesSent
      statistics.messagesSent += outcome.messagesSent
      for (item, result) in zip(items, outcome.results) { note(item, result, &events) }
    }
    let end = clock.now
    statistics.count(
      plan, total: end - start, coordination: (planned - start) + (end - executed),
      experts: engine.distributed?.account ?? DispatchAccount())
    engine.distributed?.account = DispatchAccount()
    if interrupted { throw InferenceError.interrupted }
    return events
  }

  private func note(_ item: StepPlan.Item, _ result: StepOutcome.Result, _ events: inout [GenerationEvent]) {
    switch result {
    case .nothing: break
    case .token(let token): events.append(.token(item.id, token, finish: scheduler.drew(token, for: item.id)))
    case .scored(let chunk): events.append(.scored(item.id, chunk, isLast: scheduler.scored(item.id)))
    }
  }

  /// Ends the other ranks' `follow()`. Collective with them; does nothing the second time.
  package func stop() throws {
    guard !hasStopped else { return }
    hasStopped = true
    var plan = StepPlan()
    plan.stops = true
    var bytes = plan.encoded()
    try engine.communicator.broadcast(&bytes, from: Rank(0))
  }
}

/// Totals over the steps of a run, as rank 0 saw them.
package struct LoopStatistics: Sendable {
  /// Steps in which some prompt was read, and steps that only continued sequences.
  package enum Kind: Sendable { case prefill, decode }
  package struct Totals: Sendable {
    package var steps = 0
    package var tokens = 0
    package var time: Duration = .zero
    /// Plan and outcomes.
    package var coordination: Duration = .zero
    package var experts = DispatchAccount()

    /// Share of the time in which this rank only communicated.
    package var communicationShare: Double {
      time > .zero ? (experts.communication + coordination) / time : 0
    }
    package var tokensPerSecond: Double { time > .zero ? Double(tokens) / (time / .seconds(1)) : 0 }
  }
  package private(set) var prefill = Totals()
  package private(set) var decode = Totals()

  /// Sent in expert layers, by all ranks together.
  package internal(set) var bytesSent = 0
  package internal(set) var messagesSent = 0

  mutating func count(_ plan: StepPlan, total: Duration, coordination: Duration, experts: DispatchAccount) {
    let tokens = plan.items.reduce(0) { $0 + $1.count }
    func add(to totals: inout Totals) {
      totals.steps += 1
      totals.tokens += tokens
      totals.time += total
      totals.coordination += coordination
      totals.experts += experts
    }
    if plan.items.allSatisfy({ $0.count == 1 && $0.outputs == .last }) { add(to: &decode) } else { add(to: &prefill) }
  }
}
