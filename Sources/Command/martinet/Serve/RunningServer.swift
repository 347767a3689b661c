import Dispatch
import EngineAPI
import Glibc
import HTTPServer
import Synchronization

/// A server that serves on threads of its own, for a thread that has other things to do.
final class RunningServer: Sendable {
  private enum Phase: Sendable {
    case starting
    case listening(port: Int)
    case ended((any Error)?)
  }

  private let httpServer: ModelServer
  private let phase = Mutex(Phase.starting)
  private let changed = DispatchSemaphore(value: 0)

  /// Listens from the return on; throws where it cannot. `onEnd` is called when it serves no more, from another thread.
  init(engine: any TokenEngine, configuration: ServerConfiguration, onEnd: @escaping @Sendable () -> Void) throws {
    httpServer = try ModelServer(engine: engine, configuration: configuration)
    Task.detached { [self] in
      var failure: (any Error)?
      do {
        try await httpServer.run { port in
          self.phase.withLock { $0 = .listening(port: port) }
          self.changed.signal()
        }
      } catch { failure = error }
      phase.withLock { [failure] in $0 = .ended(failure) }
      changed.signal()
      onEnd()
    }
    changed.wait()
    if case .ended(let error?) = phase.withLock({ $0 }) { throw error }
  }

  var port: Int { if case .listening(let port) = phase.withLock({ $0 }) { port } else { 0 } }

  /// Takes no more requests and ends when those in progress have ended.
  func drain() {
    // Not in whatever a signal interrupted.
    DispatchQueue.global().async { self.httpServer.drain() }
  }

  /// Waits for the end for so long at most; for threads that must not hang.
  func wait(atMost limit: Duration) {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
      if case .ended = phase.withLock({ $0 }) { return }
      usleep(10_000)
    }
  }

  /// Reads keys and certificates again.
  func reload() { httpServer.reload() }

  /// Waits for the end; throws what it failed with.
  func wait() throws {
    while true {
      if case .ended(let error) = phase.withLock({ $0 }) {
        if let error { throw error }
        return
      }
      changed.wait()
    }
  }
}
