import Synchronization

/// The moment a client goes, or the server leaves it.
///
/// Why is known before anybody can find the connection closed: whoever tells how a request ended reads it here.
final class Departure: Sendable {
  private struct State {
    var hasHappened = false
    var isCutOff = false
    var body: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())

  /// Has `body` called, once, when the client goes: at once if it has gone. Replaces an earlier one.
  func onDeparture(_ body: @escaping @Sendable () -> Void) {
    let (isLate, earlier) = state.withLock { state in
      defer { if !state.hasHappened { state.body = body } }
      return (state.hasHappened, state.body)
    }
    // It goes outside of the lock: with it may go a request, whose end is told by what is asked here.
    withExtendedLifetime(earlier) {}
    if isLate { body() }
  }

  func forget() {
    let body = state.withLock { state in
      defer { state.body = nil }
      return state.body
    }
    withExtendedLifetime(body) {}
  }

  /// Whether it was the server that left, as the client took nothing for too long.
  var isCutOff: Bool { state.withLock { $0.isCutOff } }

  /// The connection is about to be closed because the client takes nothing: to be called before it is, and nothing
  /// where the client has gone by itself. Does not call what waits for the departure: the closed connection does.
  func cutOff() { state.withLock { if !$0.hasHappened { $0.isCutOff = true } } }

  func happen() {
    let body = state.withLock { state in
      state.hasHappened = true
      defer { state.body = nil }
      return state.body
    }
    body?()
  }
}
