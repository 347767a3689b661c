import OpenAIProtocol
import Synchronization

/// Counts the sequences taken from clients, and takes no more than engine and queue have places for.
final class Admission: Sendable {
  private struct State {
    var sequences = 0
    var requests: Set<Int> = []
    var ends: [Int: @Sendable () -> Void] = [:]
    var nextRequest = 0
    var nextSequence = 0
    var isDraining = false
    var isOver = false
  }

  private let state = Mutex(State())
  private let queue: Int

  init(queue: Int) { self.queue = max(0, queue) }

  /// Sequences taken and not ended.
  var inFlight: Int { state.withLock { $0.sequences } }
  var isEmpty: Bool { state.withLock { $0.sequences == 0 } }
  var isDraining: Bool { state.withLock { $0.isDraining } }

  /// Refuses what would be refused anyhow, before a body is read.
  func check(slots: Int) throws(APIError) {
    let (isDraining, isFull) = state.withLock { ($0.isDraining, $0.sequences >= slots + queue) }
    if isDraining { throw .stopping }
    if isFull { throw refusal(slots: slots) }
  }

  /// Takes `count` sequences, until the ticket is given back.
  func admit(_ count: Int, slots: Int) throws(APIError) -> Ticket {
    let limit = slots + queue
    guard count <= limit else {
      throw .invalidRequest(
        "\(count) sequences are asked for, but this server takes at most \(limit) at a time", param: "n")
    }
    let outcome = state.withLock { state -> Result<Ticket, APIError> in
      if state.isDraining { return .failure(.stopping) }
      guard state.sequences + count <= limit else { return .failure(refusal(slots: slots)) }
      state.sequences += count
      let first = state.nextSequence
      state.nextSequence += count
      let request = state.nextRequest
      state.nextRequest += 1
      state.requests.insert(request)
      return .success(Ticket(request: request, sequences: first..<first + count))
    }
    return try outcome.get()
  }

  /// Has `end` called when the sequences are to end at once; never for a ticket that was given back.
  func onEnd(_ ticket: Ticket, _ end: @escaping @Sendable () -> Void) {
    let mustEnd = state.withLock { state -> Bool in
      guard state.requests.contains(ticket.request) else { return false }
      state.ends[ticket.request] = end
      return state.isOver
    }
    if mustEnd { end() }
  }

  func leave(_ ticket: Ticket) {
    state.withLock { state in
      guard state.requests.remove(ticket.request) != nil else { return }
      state.ends[ticket.request] = nil
      state.sequences -= ticket.sequences.count
    }
  }

  func drain() { state.withLock { $0.isDraining = true } }

  /// Ends all requests in progress.
  func endAll() {
    let ends = state.withLock { state in
      state.isOver = true
      return Array(state.ends.values)
    }
    for end in ends { end() }
  }

  private func refusal(slots: Int) -> APIError { .queueFull(limit: slots + queue, retryAfter: 1) }

  struct Ticket: Sendable {
    var request: Int
    /// The ids of the sequences.
    var sequences: Range<Int>
  }
}
