import Dispatch
import JSON
import MoEModel
import Serving
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
  }

  private struct Shared: Sendable {
    var commands: [Command] = []
    var state = EngineState.loading(bytes: 0, of: 0)
    var facts: EngineFacts?
    var status = ClusterStatus()
    var statusWanted: ContinuousClock.Instant?
    var isStopping = false
  }

  private struct Client {
    var id: RequestID
    var onEvent: EventHandler
  }

  private let constrain: Constrain
  private let shared = Mutex(Shared())
  private let wakeUp = DispatchSemaphore(value: 0)

  /// How often an idle loop looks for signals, and how fresh a status is that somebody looks at.
  private static let idleInterval = DispatchTimeInterval.milliseconds(50)
  private static let statusInterval = Duration.seconds(1)
  /// A status is kept fresh for so long after it was asked for.
  private static let statusInterest = Duration.seconds(5)

  package init(constrain: @escaping Constrain) { self.constrain = constrain }

  package var state: EngineState { shared.withLock { $0.state } }
  package var facts: EngineFacts? { shared.withLock { $0.facts } }
  package var status: ClusterStatus {
    shared.withLock {
      $0.statusWanted = .now
      return $0.status
    }
  }

  package func loading(bytes: Int, of total: Int) { shared.withLock { $0.state = .loading(bytes: bytes, of: total) } }

  package func submit(_ request: TokenRequest, onEvent: @escaping EventHandler) {
    var constraint: (any TokenConstraint)?
    if let grammar = request.grammar {
      // On the caller's thread: compiling may take longer than a step.
      guard let facts else { return onEvent(.failed(request.id, message: "the model is not loaded yet")) }
      do { constraint = try constrain(grammar, facts) } catch { return onEvent(.failed(request.id, message: "\(error)")) }
    }
    let isOver = shared.withLock { [constraint] in
      guard !$0.isStopping, $0.state != .stopped else { return true }
      $0.commands.append(.submit(request, constraint, onEvent))
      return false
    }
    if isOver { onEvent(.failed(request.id, message: "the engine is stopping and takes no more requests")) } else { wakeUp.signal() }
  }

  package func cancel(_ id: RequestID) {
    shared.withLock { $0.commands.append(.cancel(id)) }
    wakeUp.signal()
  }

  package func stop() {
    shared.withLock { $0.isStopping = true }
    wakeUp.signal()
  }

  /// Serves until `stop` and the end of all requests. On rank 0's own thread; the other ranks must be in `follow()`.
  /// `onInterrupt` is called once when a rank was asked to stop by a signal.
  package func run(_ loop: GenerationLoop, facts: EngineFacts, onInterrupt: () throws -> Void) throws {
    loop.goesOnWhenInterrupted = true
    var clients: [SequenceID: Client] = [:]
    var sequences: [RequestID: SequenceID] = [:]
    var hasInterrupted = false
    var lastStatus: ContinuousClock.Instant?
    shared.withLock { ($0.facts, $0.state) = (facts, .ready) }
    defer { shared.withLock { $0.state = .stopped } }
    while true {
      let (commands, isStopping, statusWanted) = shared.withLock { shared in
        defer { shared.commands.removeAll() }
        return (shared.commands, shared.isStopping, shared.statusWanted)
      }
      for command in commands {
        switch command {
        case .submit(let request, let constraint, let onEvent):
          do {
            let id = try loop.submit(GenerationRequest(request, constraint: constraint))
            clients[id] = Client(id: request.id, onEvent: onEvent)
            sequences[request.id] = id
          } catch { onEvent(.failed(request.id, message: "\(error)")) }
        case .cancel(let request):
          guard let id = sequences.removeValue(forKey: request) else { continue }
          loop.cancel(id)
          clients[id] = nil
        }
      }
      if loop.isInterrupted, !hasInterrupted {
        hasInterrupted = true
        try onInterrupt()
      }
      let now = ContinuousClock.now
      if let statusWanted, now - statusWanted < Self.statusInterest, lastStatus.map({ now - $0 >= Self.statusInterval }) ?? true {
        lastStatus = now
        let status = try loop.status()
        shared.withLock { $0.status = status }
      }
      guard loop.hasWork else {
        if isStopping { return }
        _ = wakeUp.wait(timeout: .now() + Self.idleInterval)
        continue
      }
      for event in try loop.step() { deliver(event, &clients, &sequences) }
    }
  }

  private func deliver(_ event: GenerationEvent, _ clients: inout [SequenceID: Client], _ sequences: inout [RequestID: SequenceID]) {
    let id: SequenceID
    var isLast = false
    let told: (RequestID) -> TokenEvent
    switch event {
    case .started(let sequence, let cached):
      id = sequence
      told = { .started($0, cachedTokens: cached) }
    case .token(let sequence, let token, let finish):
      (id, isLast) = (sequence, finish != nil)
      told = { .token($0, token, finish: finish) }
    case .failed(let sequence, let reason):
      (id, isLast) = (sequence, true)
      told = { .failed($0, message: reason) }
    // Nobody can ask an engine for scores.
    case .scored: return
    }
    guard let client = clients[id] else { return }
    client.onEvent(told(client.id))
    guard isLast else { return }
    clients[id] = nil
    sequences[client.id] = nil
  }
}
