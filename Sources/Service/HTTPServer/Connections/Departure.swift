import Synchronization

/// The moment a client goes, or is left for taking nothing.
final class Departure: Sendable {
  private struct State {
    var hasHappened = false
    var isTooSlow = false
    var body: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())

  /// Has `body` called, once, when the client goes: at once if it has gone. Replaces an earlier one.
  func onDeparture(_ body: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if !state.hasHappened { state.body = body }
      return state.hasHappened
    }
    if isLate { body() }
  }

  /// Whether it was the server that left, since the client took nothing for too long.
  var isTooSlow: Bool { state.withLock { $0.isTooSlow } }

  func forget() { state.withLock { $0.body = nil } }

  func happen(isTooSlow: Bool = false) {
    let body = state.withLock { state in
      if !state.hasHappened { state.isTooSlow = isTooSlow }
      state.hasHappened = true
      defer { state.body = nil }
      return state.body
    }
    body?()
  }
}
