import Dispatch
import EngineAPI
import HTTPServer
import Threads

/// A server that serves on threads of its own, for a thread that has other things to do.
final class RunningServer: Sendable {
  private enum Phase: Sendable {
    case starting
    case listening(port: Int)
    case ended((any Error)?)

    /// What it failed with, once it has ended.
    var outcome: Result<Void, any Error>? {
      guard case .ended(let error) = self else { return nil }
      return error.map { .failure($0) } ?? .success(())
    }
  }

  private let httpServer: ModelServer
  private let phase = Monitor(Phase.starting)

  /// Listens from the return on; throws where it cannot. `onEnd` is called when it serves no more, from another thread.
  init(engine: any TokenEngine, configuration: ServerConfiguration, onEnd: @escaping @Sendable () -> Void) throws {
    httpServer = try ModelServer(engine: engine, configuration: configuration)
    Task.detached { [self] in
      var failure: (any Error)?
      do {
        try await httpServer.run { port in self.phase.change { $0 = .listening(port: port) } }
      } catch { failure = error }
      phase.change { [failure] in $0 = .ended(failure) }
      onEnd()
    }
    try phase.wait { phase -> Result<Void, any Error>? in
      if case .listening = phase { .success(()) } else { phase.outcome }
    }.get()
  }

  var port: Int { if case .listening(let port) = phase.read({ $0 }) { port } else { 0 } }

  /// Takes no more requests and ends when those in progress have ended.
  func drain() {
    // Not in whatever a signal interrupted.
    DispatchQueue.global().async { self.httpServer.drain() }
  }

  /// Waits for the end for so long at most; for threads that must not hang.
  func wait(atMost limit: Duration) { _ = phase.wait(atMost: limit) { $0.outcome } }

  /// Reads keys and certificates again.
  func reload() { httpServer.reload() }

  /// Waits for the end; throws what it failed with.
  func wait() throws { try phase.wait { $0.outcome }.get() }
}
