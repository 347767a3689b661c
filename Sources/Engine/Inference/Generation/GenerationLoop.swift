import EngineAPI
import Fabric
import JSON
import Machine
import MoEModel
import Telemetry

/// The loop of rank 0: plans a step, has every rank carry it out, and tells what came of it. Token ids only.
package final class GenerationLoop {
  let engine: RankEngine
  private(set) var scheduler: Scheduler
  private let limits: SchedulerLimits
  private var nextID: Int32 = 0
  private var hasStopped = false
  /// Have a wish to stop noted instead of thrown: whoever runs the loop ends it in its own time.
  package var goesOnWhenInterrupted = false
  private var wasInterrupted = false
  /// Whether this rank, or another as far as the steps told, was asked to stop.
  package var isInterrupted: Bool { wasInterrupted || Interrupt.requested }
  /// Tokens of its own sequences that each rank has fed.
  private(set) var tokensFed: [Int]
  let began = ContinuousClock.now
  package private(set) var statistics = LoopStatistics()
  /// By `StepKind`.
  private var balances: [Balance]
  private var lastAlignment = ContinuousClock.now

  /// Clocks drift by up to some tens of microseconds a second: often enough to stay below a message's latency.
  private static let alignmentInterval = Duration.seconds(10)

  /// The most that one rank may report at once.
  private static let outcomeLimit = 1 << 30

  package init(engine: RankEngine, limits: SchedulerLimits) {
    self.engine = engine
    self.limits = limits
    balances = StepKind.allCases.map { _ in Balance(layerCount: engine.decoder.description.layerCount) }
    scheduler = Scheduler(limits: limits, rankCount: engine.communicator.size)
    tokensFed = Array(repeating: 0, count: engine.communicator.size)
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
    nextID = nextID == .max ? 0 : nextID + 1
    for token in request.drawn { _ = request.constraint?.advance(token) }
    scheduler.submit(request, id: id)
    return id
  }

  /// Ends a sequence before its time; its memory is free with the next step.
  package func cancel(_ id: SequenceID) { scheduler.end(id) }

  /// Runs one step on all ranks. Other ranks must be in `follow()`. When a rank was asked to stop, throws `interrupted`, or
  /// only takes note of it where `goesOnWhenInterrupted`.
  package func step() throws -> [GenerationEvent] {
    if Interrupt.requested { try interrupt() }
    if ContinuousClock.now - lastAlignment > Self.alignmentInterval { try alignClocks() }
    let phases = engine.phases
    let start = Timestamp.now()
    phases.beginStep(at: start)
    var plan = scheduler.plan()
    for (rank, rows) in plan.rowsByRank(size: tokensFed.count).enumerated() { tokensFed[rank] += rows }
    (plan.begin, plan.stamp) = (start, Timestamp.now())
    var bytes = plan.encoded()
    try engine.communicator.broadcast(&bytes, from: Rank(0))
    try engine.outcomes.open()
    let own = try engine.execute(plan)
    phases.enter(.outcome)
    var events = plan.admissions.map { GenerationEvent.started($0.id, cachedTokens: $0.cachedCount) }
    var interrupted = false
    var cost = LoopStatistics.Cost()
    // All of them before any is looked at: one that tells of a failure must not leave the others under way.
    var received = [(bytes: own, waiting: start, arrived: start)]
    for rank in 1..<engine.communicator.size {
      let waiting = Timestamp.now()
      let bytes = try engine.outcomes.receive(from: Rank(rank), limit: Self.outcomeLimit)
      received.append((bytes, waiting, Timestamp.now()))
    }
    for (rank, (bytes, waiting, arrived)) in received.enumerated() {
      let items = plan.items.filter { $0.home.index == rank }
      let outcome = try StepOutcome(decoding: bytes, from: Rank(rank), itemCount: items.count)
      let sent = min(engine.clocks.local(outcome.stamp, of: Rank(rank)), arrived)
      if sent > waiting { phases.blame(rank, nanoseconds: sent - waiting, .outcome) }
      interrupted = interrupted || outcome.interrupted
      cost.bytesSent += outcome.bytesSent
      cost.messagesSent += outcome.messagesSent
      cost.expertsVisited += outcome.expertsVisited
      for (item, result) in zip(items, outcome.results) { note(item, result, &events) }
      balances[plan.kind.rawValue].add(visits: outcome.visits, experts: outcome.experts)
    }
    balances[plan.kind.rawValue].endStep()
    // One reading of the clock for both: on a crowded machine much may lie between two.
    let end = Timestamp.now()
    cost.communication = .nanoseconds(Int64(clamping: phases.endStep(plan.kind, at: end).communication))
    cost.time = .nanoseconds(Int64(clamping: end &- start))
    statistics.count(plan, ranks: engine.communicator.size, cost)
    if interrupted { try interrupt() }
    return events
  }

  private func interrupt() throws(InferenceError) {
    wasInterrupted = true
    guard goesOnWhenInterrupted else { throw .interrupted }
  }

  /// Has all ranks follow an order that is no step.
  private func order(_ order: StepPlan.Order) throws {
    var bytes = StepPlan(order).encoded()
    try engine.communicator.broadcast(&bytes, from: Rank(0))
  }

  private func alignClocks() throws {
    try order(.align)
    try engine.obey(.align)
    lastAlignment = .now
  }

  /// What every rank has counted since the start, or the last `resetAccounts`; steps so far are not forgotten.
  package func collectAccounts() throws -> AccountOfRun { try collect(.collect, own: engine.account) }

  /// The same without what is kept for traces.
  func collectTotals() throws -> AccountOfRun { try collect(.collectTotals, own: engine.totals) }

  private func collect(_ kind: StepPlan.Order, own: @autoclosure () -> RankAccount) throws -> AccountOfRun {
    try order(kind)
    try engine.outcomes.open()
    let layers = engine.decoder.description.layerCount
    let size = engine.communicator.size
    var ranks = [own()]
    for rank in 1..<size {
      let bytes = try engine.outcomes.receive(from: Rank(rank), limit: Self.outcomeLimit)
      do {
        let account = try RankAccount(json: try JSONValue(parsing: bytes), layerCount: layers, rankCount: size)
        guard account.rank == rank else { throw MalformedAccount(reason: "it is of rank \(account.rank)") }
        ranks.append(account)
      } catch { throw InferenceError.malformedOutcome(Rank(rank), "\(error)") }
    }
    return AccountOfRun(ranks: ranks, balances: balances.map(\.layers))
  }

  /// Times messages between all ranks, which takes some seconds. Collective with `follow()`.
  package func probeLinks() throws -> [LinkSample] {
    try order(.probeLinks)
    try engine.obey(.probeLinks)
    return engine.links
  }

  /// What every token chose since the start, or the last `resetAccounts`, where the session records it; rows of all ranks, sorted.
  package func collectRouting() throws -> RoutingRecord? {
    guard var all = engine.routingLog else { return nil }
    try order(.collectRouting)
    try engine.outcomes.open()
    for rank in 1..<engine.communicator.size {
      let bytes = try engine.outcomes.receive(from: Rank(rank), limit: Self.outcomeLimit)
      do { try all.add(bytes) } catch {
        throw InferenceError.malformedOutcome(Rank(rank), "its record of routing ends early")
      }
    }
    return all.record.sorted()
  }

  /// Starts all accounts anew. Collective with `follow()`.
  package func resetAccounts() throws {
    try order(.reset)
    try engine.obey(.reset)
    for kind in balances.indices { balances[kind] = Balance(layerCount: engine.decoder.description.layerCount) }
  }

  /// Keeps accounts from now on, or none. Collective with `follow()`.
  package func keepAccounts(_ keeps: Bool) throws {
    try order(keeps ? .recordingOn : .recordingOff)
    try engine.obey(keeps ? .recordingOn : .recordingOff)
  }

  private func note(_ item: StepPlan.Item, _ result: StepOutcome.Result, _ events: inout [GenerationEvent]) {
    switch result {
    case .nothing: break
    case .token(let token): events.append(.token(item.id, token, finish: scheduler.drew(token.token, for: item.id)))
    case .failed(let reason):
      scheduler.end(item.id)
      events.append(.failed(item.id, reason: reason))
    case .embedding(let values):
      scheduler.end(item.id)
      events.append(.embedded(item.id, values))
    case .scored(let chunk): events.append(.scored(item.id, chunk, isLast: scheduler.scored(item.id)))
    }
  }

  /// Ends the other ranks' `follow()`. Collective with them; does nothing the second time.
  package func stop() throws {
    guard !hasStopped else { return }
    hasStopped = true
    try order(.stop)
    engine.releaseAll()
  }
}
