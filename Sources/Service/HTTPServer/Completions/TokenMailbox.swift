import EngineAPI
import Synchronization

/// Carries the engine's events of one HTTP request to the task that answers it.
///
/// The engine never waits: what the task has not taken is kept, up to a number of tokens. Who is further behind gets
/// nothing more, and what was kept is dropped.
final class TokenMailbox: Sendable {
  enum Item: Sendable, Equatable {
    /// At least one, in order.
    case events([TokenEvent])
    /// Nothing has happened for a while.
    case tick
    case closed(Closure)
  }

  enum Closure: Sendable, Equatable {
    case clientLeft
    case clientTooSlow
    case drained
  }

  private struct State {
    var events: [TokenEvent] = []
    var closure: Closure?
    var waiter: CheckedContinuation<Item, Never>?
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = limit }

  /// false when this event is one too many: the mailbox has closed, and its sequences should be cancelled.
  func push(_ event: TokenEvent) -> Bool {
    let (waiter, item, isTaken) = state.withLock { state -> (CheckedContinuation<Item, Never>?, Item, Bool) in
      guard state.closure == nil else { return (nil, .tick, true) }
      if let waiter = state.waiter {
        state.waiter = nil
        return (waiter, .events([event]), true)
      }
      guard state.events.count < limit else {
        state.events = []
        state.closure = .clientTooSlow
        return (nil, .tick, false)
      }
      state.events.append(event)
      return (nil, .tick, true)
    }
    waiter?.resume(returning: item)
    return isTaken
  }

  /// Ends the stream before its time, dropping what is in it. The first reason stays.
  func close(_ closure: Closure) {
    let (waiter, reason) = state.withLock { state in
      state.closure = state.closure ?? closure
      state.events = []
      defer { state.waiter = nil }
      return (state.waiter, state.closure ?? closure)
    }
    waiter?.resume(returning: .closed(reason))
  }

  /// Wakes whoever waits for an event.
  func tick() {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: .tick)
  }

  /// All that has come and not been taken, or else what comes next; for one task only.
  func next() async -> Item {
    await withCheckedContinuation { continuation in
      let item = state.withLock { state -> Item? in
        if let closure = state.closure { return .closed(closure) }
        if !state.events.isEmpty {
          defer { state.events = [] }
          return .events(state.events)
        }
        state.waiter = continuation
        return nil
      }
      if let item { continuation.resume(returning: item) }
    }
  }
}
