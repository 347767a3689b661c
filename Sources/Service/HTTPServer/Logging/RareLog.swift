import Logging
import Synchronization

/// Warns of what may happen a thousand times a second, once in a while.
final class RareLog: Sendable {
  private struct State {
    var last: ContinuousClock.Instant?
    var held = 0
  }

  private let logger: Logger
  private let period: Duration
  private let state = Mutex(State())

  init(_ logger: Logger, period: Duration = .seconds(10)) { (self.logger, self.period) = (logger, period) }

  /// Says how many warnings were held back since the last that was written.
  func warn(_ message: @autoclosure () -> String) {
    let held = state.withLock { state -> Int? in
      let now = ContinuousClock.now
      if let last = state.last, now - last < period {
        state.held += 1
        return nil
      }
      defer { (state.last, state.held) = (now, 0) }
      return state.held
    }
    guard let held else { return }
    logger.warning("\(message())\(held > 0 ? " (and \(held) times since it was last told)" : "")")
  }
}
