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
    let before = engine.distributed?.account ?? DispatchAccount()
    var bytes = plan.encoded()
    try engine.communicator.broadcast(&bytes, from: Rank(0))
    let planned = clock.now
    let own = try engine.execute(plan)
    let executed = clock.now
    let outcomes = try engine.communicator.gather(own, to: Rank(0)) ?? [own]
    var events: [GenerationEvent] = []
    var interrupted = false
    var cost = LoopStatistics.Cost()
    for (rank, bytes) in outcomes.enumerated() {
      let items = plan.items.filter { $0.home.index == rank }
      let outcome = try StepOutcome(decoding: bytes, from: Rank(rank), itemCount: items.count)
      interrupted = interrupted || outcome.interrupted
      cost.bytesSent += outcome.bytesSent
      cost.messagesSent += outcome.messagesSent
      cost.expertsVisited += outcome.expertsVisited
      for (item, result) in zip(items, outcome.results) { note(item, result, &events) }
    }
    let end = clock.now
    cost.time = end - start
    cost.coordination = (planned - start) + (end - executed)
    if let spent = engine.distributed?.account { cost.experts = spent.since(before) }
    statistics.count(plan, ranks: engine.communicator.size, cost)
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
    engine.releaseAll()
  }
}
