import EngineAPI
import NIOCore
import Synchronization

/// The sequences of one HTTP request, from their admission until the last has ended, or the client has gone.
final class Submission: Sendable {
  let ids: Range<Int>
  let mailbox: TokenMailbox
  /// Of the request whose task this was made in.
  let record = RequestRecord.current
  private let ticket: Admission.Ticket
  private let server: ModelServer
  private let channel: any Channel
  private let departure: Departure

  private struct State {
    /// Submitted, and not known to have ended.
    var live: Set<Int> = []
    var hasEnded = false
  }
  private let state = Mutex(State())

  init(
    _ ticket: Admission.Ticket, mailbox: TokenMailbox, server: ModelServer, channel: any Channel,
    departure: Departure
  ) {
    (self.ticket, ids, self.mailbox) = (ticket, ticket.sequences, mailbox)
    (self.server, self.channel, self.departure) = (server, channel, departure)
    let count = ticket.sequences.count
    record?.note { ($0.sequences, $0.departure) = (count, departure) }
    departure.onDeparture { [self] in
      end()
      mailbox.close(.clientLeft)
    }
    server.admission.onEnd(ticket) { [self] in
      // The client is told so by whoever answers it; its place is given back then.
      for id in state.withLock({ $0.live }) { cancel(id) }
      mailbox.close(.drained)
    }
  }

  /// Gives the sequences to the engine, unless the client has gone meanwhile. Takes time in proportion to their
  /// grammars.
  func submit(_ requests: [TokenRequest]) {
    let mayStart = state.withLock { state in
      if !state.hasEnded { state.live = Set(requests.map(\.id.value)) }
      return !state.hasEnded
    }
    guard mayStart else { return }
    if server.admission.inFlight == ids.count { server.progress.note() }
    for request in requests {
      server.engine.submit(request) { [self] event in receive(event) }
    }
    // Those that were to end meanwhile may have been cancelled in vain, before the engine knew them.
    let live = state.withLock { $0.live }
    for request in requests where !live.contains(request.id.value) { server.engine.cancel(request.id) }
  }

  private func receive(_ event: TokenEvent) {
    server.progress.note()
    if event.isLast { state.withLock { _ = $0.live.remove(event.id.value) } }
    if !mailbox.push(event) {
      departure.cutOff()
      // Ends the submission, too, from a thread that is not the engine's.
      channel.close(mode: .all, promise: nil)
    }
  }

  /// Ends one sequence before its time.
  func cancel(_ id: Int) {
    if state.withLock({ $0.live.remove(id) != nil }) { server.engine.cancel(RequestID(id)) }
  }

  /// Ends what has not ended, and gives the places back, the first time it is called.
  func end() {
    let (live, isFirst) = state.withLock { state in
      defer { (state.live, state.hasEnded) = ([], true) }
      return (state.live, !state.hasEnded)
    }
    for id in live { server.engine.cancel(RequestID(id)) }
    guard isFirst else { return }
    departure.forget()
    server.admission.leave(ticket)
  }
}
