import EngineAPI
import Fabric
import Machine
import MoEModel
import ModelRuntime
import Telemetry

/// The loop of rank 0: plans a step, has every rank carry it out, and tells what came of it. Token ids only.
package final class GenerationLoop {
  let session: GenerationSession
  private var engine: RankEngine { session.engine }
  private var runtime: ClusterRuntime { session.runtime }
  var scheduler: Scheduler
  /// Experts on their way to another placement, while some are.
  var rebalance: Rebalance?
  /// Placements reached so far, and experts sent on the way.
  var rebalances = 0
  var expertsMoved = 0
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
  var balances: [Balance]
  private var lastAlignment = ContinuousClock.now
  /// Who drafts, and when it pays; nil where nothing is drafted.
  private let drafter: Drafter?
  private var speculation: SpeculationControl
  /// Whether the prediction module ran in the last decode step.
  private var predictedBefore = false

  /// Clocks drift by up to some tens of microseconds a second: often enough to stay below a message's latency.
  private static let alignmentInterval = Duration.seconds(10)

  init(_ session: GenerationSession) {
    (self.session, limits) = (session, session.limits)
    drafter = session.drafter
    speculation = SpeculationControl(adapts: session.drafter?.adapts ?? false)
    balances = StepKind.allCases.map { _ in Balance(layerCount: session.description.runLayers.count) }
    // Sequences that all ranks feed have rank 0 for their home, and blocks of the same numbers everywhere.
    scheduler = Scheduler(limits: session.limits, rankCount: session.isSliced ? 1 : session.communicator.size)
    tokensFed = Array(repeating: 0, count: session.communicator.size)
  }

  package var hasWork: Bool { scheduler.hasWork }

  /// Tokens of prompts fed since the start: those of a prompt that were in the cache are not, those of a sequence that
  /// was thrown out are again.
  package var promptRows: Int { scheduler.counts.promptRows }

  /// Queues a request after checking that it can be carried out; `index` names it in errors.
  package func submit(_ request: GenerationRequest, index: Int = 0) throws(InferenceError) -> SequenceID {
    let request = try request.checked(against: session.description, index: index)
    let capacity = request.capacity
    guard KeyValueCache.blockCount(tokens: capacity) <= limits.blocksPerRank else {
      throw .cacheTooSmall(index: index, tokens: capacity, capacity: limits.blocksPerRank * KeyValueCache.blockTokens)
    }
    let id = SequenceID(nextID)
    nextID = nextID == .max ? 0 : nextID + 1
    for token in request.sampled { _ = request.constraint?.advance(token) }
    scheduler.submit(request, id: id)
    return id
  }

  /// Ends a sequence before its time; its memory is free with the next step.
  package func cancel(_ id: SequenceID) { scheduler.end(id) }

  /// Runs one step on all ranks. Other ranks must be in `follow()`. When a rank was asked to stop, throws
  /// `interrupted`, or only takes note of it where `goesOnWhenInterrupted`.
  package func step() throws -> [GenerationEvent] {
    if Interrupt.requested { try interrupt() }
    if ContinuousClock.now - lastAlignment > Self.alignmentInterval { try alignClocks() }
    let phases = engine.phases
    let start = Timestamp.now()
    phases.beginStep(at: start)
    let continued = drafter == nil ? 0 : scheduler.continuedCount
    var plan = scheduler.plan(drafting(continuing: continued))
    for (rank, rows) in plan.rowsByRank(size: tokensFed.count).enumerated() { tokensFed[rank] += rows }
    (plan.begin, plan.stamp) = (start, Timestamp.now())
    try runtime.commands.send(.step) { plan.encode(to: &$0) }
    try runtime.reports.open()
    let own = try engine.execute(plan)
    phases.enter(.outcome)
    var events = plan.admissions.map { GenerationEvent.started($0.id, cachedTokens: $0.cachedCount) }
    var interrupted = false
    var cost = LoopStatistics.Cost()
    // All of them before any is looked at: one that tells of a failure must not leave the others under way.
    var received = [(bytes: own, waiting: start, arrived: start)]
    for rank in 1..<runtime.communicator.size {
      let waiting = Timestamp.now()
      let bytes = try runtime.reports.receive(from: Rank(rank), limit: ClusterRuntime.reportLimit)
      received.append((bytes, waiting, Timestamp.now()))
    }
    for (rank, (bytes, waiting, arrived)) in received.enumerated() {
      let items = plan.items.filter { $0.home.index == rank }
      let outcome = try StepOutcome(decoding: bytes, from: Rank(rank), itemCount: items.count)
      let sent = min(runtime.clocks.local(outcome.stamp, of: Rank(rank)), arrived)
      if sent > waiting { phases.blame(rank, nanoseconds: sent - waiting, .outcome) }
      interrupted = interrupted || outcome.interrupted
      cost.bytesSent += outcome.bytesSent
      cost.messagesSent += outcome.messagesSent
      cost.expertsVisited += outcome.expertsVisited
      for (i, (item, result)) in zip(items, outcome.results).enumerated() {
        let right = try note(item, result, from: Rank(rank), &events)
        cost.rejected += item.drafts.count - right
        if !item.drafts.isEmpty { statistics.speculation.count(drafts: item.drafts.count, right: right) }
        guard drafter?.predicts == true else { continue }
        let vocabulary = session.description.vocabularySize
        scheduler.predicted(outcome.predictions(ofItem: i).prefix { $0 >= 0 && Int($0) < vocabulary }, for: item.id)
      }
      // Of experts that all ranks divide there is one account.
      if rank > 0, session.dividesExperts { continue }
      balances[plan.kind.rawValue].add(visits: outcome.visits, experts: outcome.experts)
    }
    cost.busiest = balances[plan.kind.rawValue].endStep()
    // One reading of the clock for both: on a crowded machine much may lie between two.
    let end = Timestamp.now()
    cost.communication = .nanoseconds(Int64(clamping: phases.endStep(plan.kind, at: end).communication))
    cost.time = .nanoseconds(Int64(clamping: end &- start))
    statistics.count(plan, ranks: runtime.communicator.size, cost)
    if drafter != nil, plan.kind == .decode { compare(plan, continued: continued, cost) }
    if interrupted { try interrupt() }
    return events
  }

  private func drafting(continuing sequences: Int) -> Drafting? {
    guard let drafter else { return nil }
    let isWhole = !drafter.predicts || scheduler.isReadByModule
    let isOn = speculation.drafts(continuing: sequences, isWhole: isWhole)
    return Drafting(drafter: drafter, isOn: isOn, readsPrompts: speculation.readsPrompts)
  }

  /// Counts a decode step for or against drafting.
  private func compare(_ plan: StepPlan, continued: Int, _ cost: LoopStatistics.Cost) {
    let isFirst = plan.predicts && !predictedBefore
    predictedBefore = plan.predicts
    // The module's first step after a rest has no guess to check yet.
    if isFirst, plan.draftCount == 0 { return }
    let drafted = plan.predicts || plan.draftCount > 0
    let (seconds, tokens) = (cost.time / .seconds(1), plan.items.reduce(0) { $0 + $1.count } - cost.rejected)
    if drafted {
      statistics.speculation.with.add(tokens: tokens, time: cost.time)
      if let rate = speculation.plainRate(continuing: continued), rate > 0 {
        statistics.speculation.comparedSeconds += seconds
        statistics.speculation.secondsWithout += Double(tokens) / rate
      }
    } else {
      statistics.speculation.without.add(tokens: tokens, time: cost.time)
    }
    speculation.note(continuing: continued, drafted: drafted, tokens: tokens, seconds: seconds)
  }

  private func interrupt() throws(InferenceError) {
    wasInterrupted = true
    guard goesOnWhenInterrupted else { throw .interrupted }
  }

  /// Has all ranks carry out a command that is no step.
  func command(_ command: RankCommand) throws {
    try runtime.commands.send(command)
    try session.carryOut(command)
  }

  private func alignClocks() throws {
    try command(.alignClocks)
    lastAlignment = .now
  }

  /// Takes note of what became of an item; returns how many of its drafts were right.
  private func note(
    _ item: StepPlan.Item, _ result: StepOutcome.Result, from rank: Rank, _ events: inout [GenerationEvent]
  ) throws(InferenceError) -> Int {
    switch result {
    case .nothing: break
    case .token(let token):
      events.append(.token(item.id, token, finish: scheduler.append(token.token, for: item.id)))
    case .run(let tokens):
      let right = tokens.count - 1
      guard (0...item.drafts.count).contains(right),
        zip(tokens, item.drafts).prefix(right).allSatisfy({ $0.token == $1 })
      else { throw .malformedOutcome(rank, "its tokens are not those that it was to check") }
      for (place, token) in tokens.enumerated() {
        let finish = scheduler.append(token.token, for: item.id, accepting: place == 0 ? right : 0)
        events.append(.token(item.id, token, finish: finish))
        // No draft ends a sequence, so that this is the last of them.
        if finish != nil { break }
      }
      return right
    case .failed(let reason):
      scheduler.end(item.id)
      events.append(.failed(item.id, reason: reason))
    case .embedding(let values):
      scheduler.end(item.id)
      events.append(.embedded(item.id, values))
    case .scored(let chunk): events.append(.scored(item.id, chunk, isLast: scheduler.scored(item.id)))
    }
    return 0
  }

  /// Ends the other ranks' `follow()`. Collective with them; does nothing the second time.
  package func stop() throws {
    guard !hasStopped else { return }
    hasStopped = true
    try command(.stop)
  }
}
