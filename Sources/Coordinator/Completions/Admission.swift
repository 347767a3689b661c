import OpenAIProtocol
import Serving
import Synchronization

/// Counts the sequences taken from clients, and takes no more than engine and queue have places for.
final class Admission: Sendable {
  private struct State {
    var sequences = 0
    var requests: [Int: @Sendable () -> Void] = [:]
    var nextRequest = 0
    var nextSequence = 0
    var isDraining = false
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

  /// Takes `count` sequences, whose ids are the numbers returned. `onDrained` is called when they are to end at once.
  func admit(_ count: Int, slots: Int, onDrained: @escaping @Sendable () -> Void) throws(APIError) -> Ticket {
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
      state.requests[request] = onDrained
      return .success(Ticket(request: request, sequences: first..<first + count))
    }
    return try outcome.get()
  }

  func leave(_ ticket: Ticket) {
    state.withLock { state in
      guard state.requests.removeValue(forKey: ticket.request) != nil else { return }
      state.sequences -= ticket.sequences.count
    }
  }

  func drain() { state.withLock { $0.isDraining = true } }

  /// Ends all requests in progress.
  func endAll() {
    for end in state.withLock({ Array($0.requests.values) }) { end() }
  }

  private func refusal(slots: Int) -> APIError { .queueFull(limit: slots + queue, retryAfter: 1) }

  struct Ticket: Sendable {
    var request: Int
    var sequences: Range<Int>
  }
}
