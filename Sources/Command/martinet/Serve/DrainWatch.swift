import Dispatch
import EngineAPI
import Glibc
import Inference
import Machine

/// Has the server of rank 0 take no more requests as soon as a signal asks it to end, whatever its ranks do at that
/// moment, and ends the process where they do not come to an end.
final class DrainWatch {
  /// How often it looks for a signal.
  private static let tick = DispatchTimeInterval.milliseconds(20)
  /// What ranks may take to leave when the time for requests is over.
  private static let grace = Duration.seconds(4)

  private let timer: any DispatchSourceTimer

  /// Used on the timer's queue.
  private final class Deadline: @unchecked Sendable { var value: ContinuousClock.Instant? }

  init(_ httpServer: RunningServer, _ engine: LocalEngine, limit: Duration) {
    let deadline = Deadline()
    timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "drain watch"))
    timer.setEventHandler { [weak engine] in
      guard Interrupt.requested else { return }
      guard let end = deadline.value else {
        deadline.value = .now + limit + Self.grace
        return httpServer.drain()
      }
      guard ContinuousClock.now > end, let engine, engine.state != .stopped else { return }
      say("martinet: the ranks did not come to an end in time\(engine.stall.map { ": \($0.words())" } ?? "")")
      _exit(1)
    }
    timer.schedule(deadline: .now(), repeating: Self.tick)
    timer.resume()
  }

  deinit { timer.cancel() }
}
