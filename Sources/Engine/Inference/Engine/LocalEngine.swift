import Dispatch
import EngineAPI
import JSON
import Synchronization
import Telemetry

/// The engine of this process's job: requests from any thread meet the loop of rank 0, which stays on its own.
///
/// `run` is the loop; between steps it empties the mailbox and tells what came of the step before.
package final class LocalEngine: TokenEngine {
  package typealias EventHandler = @Sendable (TokenEvent) -> Void
  /// Makes a constraint of a grammar; what it throws fails that request alone.
  package typealias Constrain = @Sendable (_ grammar: JSONValue, _ facts: EngineFacts) throws -> any TokenConstraint

  private enum Command: Sendable {
    case submit(TokenRequest, (any TokenConstraint)?, EventHandler)
    case cancel(RequestID)
    case rebalance
  }

  private struct Shared: Sendable {
    var commands: [Command] = []
    var state = EngineState.loading(bytes: 0, of: 0)
    var facts: EngineFacts?
    var status = ClusterStatus()
    var statusWanted: ContinuousClock.Instant?
    var isStopping = false
    var stall: EngineStall?
    /// Whom to tell of each request that has neither ended nor been cancelled.
    var handlers: [RequestID: EventHandler] = [:]
  }

  /// Whom to tell of a sequence.
  private struct Client {
    let request: TokenRequest
    let constraint: (any TokenConstraint)?
    let onEvent: EventHandler
    /// Of a prompt that is being scored, before anything is sampled.
    var scores: [ScoredChunk]?
  }

  /// The loop's sequences and whose they are.
  private struct Clients {
    var bySequence: [SequenceID: Client] = [:]
    var sequences: [RequestID: SequenceID] = [:]

    /// Queues a request; first its prompt alone, where that is to be scored.
    mutating func submit(_ client: Client, to loop: GenerationLoop) {
      var client = client
      do {
        let id: SequenceID
        if let count = client.request.promptLogprobs, client.request.pooling == nil {
          id = try loop.submit(GenerationRequest(scoring: client.request, topCount: count))
          client.scores = []
        } else {
          id = try loop.submit(GenerationRequest(client.request, constraint: client.constraint))
        }
        bySequence[id] = client
        sequences[client.request.id] = id
      } catch { client.onEvent(.failed(client.request.id, message: "\(error)")) }
    }

    mutating func remove(_ id: SequenceID) {
      if let client = bySequence.removeValue(forKey: id) { sequences[client.request.id] = nil }
    }
  }

  private let constrain: Constrain
  private let shared = Mutex(Shared())
  private let wakeUp = DispatchSemaphore(value: 0)

  /// How often an idle loop looks for signals, and how old a status may become while steps are taken.
  private static let idleInterval = DispatchTimeInterval.milliseconds(50)
  private static let statusInterval = Duration.seconds(1)
  /// An idle job's is kept fresh for so long after it was asked for: clocks go on, and a page shows rates.
  private static let statusInterest = Duration.seconds(5)
  /// How often the ranks of an idle job are called: one that has been stopped is found out before a request meets it.
  private static let rollCallInterval = Duration.seconds(5)

  package init(constrain: @escaping Constrain) { self.constrain = constrain }

  package var state: EngineState { shared.withLock { $0.state } }
  package var facts: EngineFacts? { shared.withLock { $0.facts } }
  package var stall: EngineStall? { shared.withLock { $0.stall } }
  package var status: ClusterStatus {
    shared.withLock {
      $0.statusWanted = .now
      var status = $0.status
      // The loop counts between steps only; what it does not know yet waits for a step that takes long, or does not
      // end.
      let underWay = $0.handlers.count
      if status.requestsRunning + status.requestsWaiting != underWay {
        status.requestsRunning = min(underWay, $0.facts?.sequences ?? underWay)
        status.requestsWaiting = underWay - status.requestsRunning
      }
      return status
    }
  }

  /// Tells that `bytes` bytes of weights have been read, of `total` on rank 0.
  package func loading(bytes: Int, of total: Int) { shared.withLock { $0.state = .loading(bytes: bytes, of: total) } }

  package func submit(_ request: TokenRequest, onEvent: @escaping EventHandler) {
    var constraint: (any TokenConstraint)?
    if let grammar = request.grammar {
      // On the caller's thread: compiling may take longer than a step.
      guard let facts else { return onEvent(.failed(request.id, message: "the model is not loaded yet")) }
      do { constraint = try constrain(grammar, facts) } catch {
        return onEvent(.failed(request.id, message: "\(error)"))
      }
    }
    let refusal: String? = shared.withLock { [constraint] in
      if case .failed(let reason) = $0.state { return reason }
      guard !$0.isStopping, $0.state != .stopped else { return "the engine is stopping and takes no more requests" }
      $0.handlers[request.id] = onEvent
      $0.commands.append(.submit(request, constraint) { [weak self] in self?.tell($0) })
      return nil
    }
    if let refusal { onEvent(.failed(request.id, message: refusal)) } else { wakeUp.signal() }
  }

  /// Passes an event on, unless its request has ended in another way meanwhile.
  private func tell(_ event: TokenEvent) {
    let handler = shared.withLock { event.isLast ? $0.handlers.removeValue(forKey: event.id) : $0.handlers[event.id] }
    handler?(event)
  }

  package func cancel(_ id: RequestID) {
    shared.withLock {
      $0.handlers[id] = nil
      $0.commands.append(.cancel(id))
    }
    wakeUp.signal()
  }

  package func rebalance() {
    shared.withLock { $0.commands.append(.rebalance) }
    wakeUp.signal()
  }

  package func stop() {
    shared.withLock { $0.isStopping = true }
    wakeUp.signal()
  }

  /// Notes what holds the ranks up; nil when they go on.
  package func note(_ report: StallReport?) {
    let stall = report.map {
      EngineStall(
        rank: $0.rank, host: $0.host, place: $0.place, waitingFor: $0.waitingFor, since: .now - .seconds($0.seconds))
    }
    shared.withLock { $0.stall = stall }
  }

  /// Fails all requests, under way and to come, while the loop is stuck in a step that will not end. From any other
  /// thread.
  package func fail(_ reason: String) {
    let handlers = shared.withLock { shared in
      shared.state = .failed(reason: reason)
      defer { shared.handlers = [:] }
      return shared.handlers
    }
    for (id, handler) in handlers.sorted(by: { $0.key.value < $1.key.value }) { handler(.failed(id, message: reason)) }
  }

  /// Serves until `stop` and the end of all requests. On rank 0's own thread; the other ranks must be in `follow()`.
  /// `onInterrupt` is called once when a rank was asked to stop by a signal; `onNote` hears of experts that changed
  /// places.
  package func run(
    _ loop: GenerationLoop, facts: EngineFacts, rebalances schedule: RebalanceSchedule = RebalanceSchedule(),
    onInterrupt: () throws -> Void, onNote: @escaping (String) -> Void = { _ in }
  ) throws {
    loop.goesOnWhenInterrupted = true
    var rebalancing = Rebalancing(schedule, loop, onNote: onNote)
    var clients = Clients()
    var hasInterrupted = false
    var lastStatus: ContinuousClock.Instant?
    var isStatusOld = true
    shared.withLock { ($0.facts, $0.state) = (facts, .ready) }
    defer {
      shared.withLock { shared in
        if case .failed = shared.state {} else { shared.state = .stopped }
      }
    }
    while true {
      let (commands, isStopping, statusWanted) = shared.withLock { shared in
        defer { shared.commands.removeAll() }
        return (shared.commands, shared.isStopping, shared.statusWanted)
      }
      for command in commands {
        switch command {
        case .submit(let request, let constraint, let onEvent):
          clients.submit(Client(request: request, constraint: constraint, onEvent: onEvent), to: loop)
        case .cancel(let request):
          guard let id = clients.sequences[request] else { continue }
          loop.cancel(id)
          clients.remove(id)
        case .rebalance: try rebalancing.begin(loop)
        }
      }
      try rebalancing.goOn(loop)
      if loop.isInterrupted, !hasInterrupted {
        hasInterrupted = true
        try onInterrupt()
      }
      let now = ContinuousClock.now
      isStatusOld = isStatusOld || statusWanted.map { now - $0 < Self.statusInterest } ?? false
      if facts.rankCount > 1, let lastStatus, now - lastStatus >= Self.rollCallInterval { isStatusOld = true }
      if isStatusOld, lastStatus.map({ now - $0 >= Self.statusInterval }) ?? true {
        (lastStatus, isStatusOld) = (now, false)
        var status = try loop.status()
        status.rebalanceFailure = rebalancing.failure
        shared.withLock { $0.status = status }
      }
      guard loop.hasWork else {
        if isStopping { return }
        if loop.isRebalancing { continue }
        _ = wakeUp.wait(timeout: .now() + Self.idleInterval)
        continue
      }
      isStatusOld = true
      for event in try loop.step() { deliver(event, &clients, loop) }
    }
  }

  private func deliver(_ event: GenerationEvent, _ clients: inout Clients, _ loop: GenerationLoop) {
    switch event {
    case .started(let id, let cached):
      guard let client = clients.bySequence[id] else { return }
      // Thrown out half-way, a prompt is scored again from its beginning.
      if client.scores != nil { clients.bySequence[id]?.scores = [] }
      client.onEvent(.started(client.request.id, cachedTokens: cached))
    case .token(let id, let token, let finish):
      guard let client = clients.bySequence[id] else { return }
      client.onEvent(.token(client.request.id, token, finish: finish))
      if finish != nil { clients.remove(id) }
    case .scored(let id, let chunk, let isLast):
      clients.bySequence[id]?.scores?.append(chunk)
      if isLast { finishScores(id, &clients, loop) }
    case .embedded(let id, let values):
      guard let client = clients.bySequence[id] else { return }
      client.onEvent(.embedding(client.request.id, values))
      clients.remove(id)
    case .failed(let id, let reason):
      guard let client = clients.bySequence[id] else { return }
      client.onEvent(.failed(client.request.id, message: reason))
      clients.remove(id)
    }
  }

  /// Tells what a prompt's tokens were worth, and goes on to what follows them.
  private func finishScores(_ id: SequenceID, _ clients: inout Clients, _ loop: GenerationLoop) {
    guard let client = clients.bySequence[id], let scores = client.scores else { return }
    clients.remove(id)
    let chunks = scores.sorted { $0.firstPosition < $1.firstPosition }
    let (logprobs, top) = (chunks.flatMap(\.nextLogprobs), chunks.flatMap(\.top))
    // Position p tells of token p + 1; nothing follows the last.
    let tokens = zip(client.request.prompt.dropFirst(), zip(logprobs, top)).map {
      SampledToken($0, logprob: $1.0, top: $1.1)
    }
    let samplesNothing = client.request.maxNewTokens == 0
    client.onEvent(.prompt(client.request.id, tokens, finish: samplesNothing ? .length : nil))
    guard !samplesNothing else { return }
    var request = client.request
    request.promptLogprobs = nil
    clients.submit(Client(request: request, constraint: client.constraint, onEvent: client.onEvent), to: loop)
  }
}
