import Synchronization

/// When the engine last gave something.
final class EngineProgress: Sendable {
  private let last = Mutex(ContinuousClock.now)

  /// It gave something, or was given the first of its work.
  func note() { last.withLock { $0 = .now } }

  var age: Duration { last.withLock { ContinuousClock.now - $0 } }
}
