import Serving

/// Every request that has not ended: what was delivered of it, and whether it is suspected of ending jobs.
///
/// A request is blamed for a job's end when it had been sent to that job and had not drawn a token in it: whatever a request does to
/// a job, it does again at the same token after the next start. With several such requests all are suspects, and are sent to later
/// jobs one at a time, when those above suspicion have drawn tokens; a token clears a suspect, and each further end while it is the
/// one on trial counts against it.
struct RequestLedger {
  typealias Handler = @Sendable (TokenEvent) -> Void

  private struct Entry {
    /// With all tokens delivered so far in `drawn`.
    var request: TokenRequest
    let handler: Handler
    let order: Int
    var isSent = false
    /// Whether it was there when this job was started.
    var isCarried = false
    var hasDrawn = false
    /// Jobs in a row that ended on it.
    var blame = 0
  }

  let blameLimit: Int
  private var entries: [RequestID: Entry] = [:]
  private var nextOrder = 0
  /// Of the present job.
  private(set) var drewTokens = false
  private(set) var finishedRequest = false

  init(blameLimit: Int) { self.blameLimit = blameLimit }

  var isEmpty: Bool { entries.isEmpty }
  var hasUnsent: Bool { entries.values.contains { !$0.isSent } }
  /// Whether the job has anything to do.
  var isServing: Bool { entries.values.contains { $0.isSent } }

  /// False when a request of this name is under way.
  mutating func add(_ request: TokenRequest, handler: @escaping Handler) -> Bool {
    guard entries[request.id] == nil else { return false }
    entries[request.id] = Entry(request: request, handler: handler, order: nextOrder)
    nextOrder += 1
    return true
  }

  /// True when the job must be told.
  mutating func cancel(_ id: RequestID) -> Bool { entries.removeValue(forKey: id)?.isSent ?? false }

  /// What to send to the job now, in the order in which it came.
  mutating func takeUnsent() -> [TokenRequest] {
    var ids = entries.values.filter { !$0.isSent && $0.blame == 0 }.sorted { $0.order < $1.order }.map(\.request.id)
    if ids.isEmpty, let suspect = nextSuspect { ids = [suspect] }
    return ids.compactMap { id in
      entries[id]?.isSent = true
      return entries[id]?.request
    }
  }

  /// The least suspicious of the suspects, once nobody else that was carried over could be taken for it.
  private var nextSuspect: RequestID? {
    guard !entries.values.contains(where: { $0.isSent && !$0.hasDrawn && ($0.isCarried || $0.blame > 0) }) else { return nil }
    return entries.values.filter { !$0.isSent }.min { ($0.blame, $0.order) < ($1.blame, $1.order) }?.request.id
  }

  /// Notes an event of the job; returns whom to tell, and what. Nil for requests that have ended.
  mutating func note(_ event: TokenEvent) -> (TokenEvent, Handler)? {
    guard let entry = entries[event.id], entry.isSent else { return nil }
    var event = event
    if case .token(let id, let drawn, let finish) = event {
      entries[id]?.request.drawn.append(drawn.token)
      entries[id]?.hasDrawn = true
      entries[id]?.blame = 0
      drewTokens = true
      // A request that has what it asked for must not go to another job.
      if finish == nil {
        if entry.request.stopTokens.contains(drawn.token) {
          event = .token(id, drawn, finish: .stop)
        } else if entry.request.drawn.count + 1 >= entry.request.maxNewTokens {
          event = .token(id, drawn, finish: .length)
        }
      }
    }
    if event.isLast {
      entries[event.id] = nil
      finishedRequest = true
    }
    return (event, entry.handler)
  }

  /// The job has ended, by itself. Returns the requests that will not be sent again.
  mutating func jobEnded() -> [(RequestID, Handler)] {
    var condemned: [(RequestID, Handler)] = []
    for (id, entry) in entries.sorted(by: { $0.value.order < $1.value.order }) {
      if entry.isSent, !entry.hasDrawn {
        entries[id]?.blame += 1
        if entry.blame + 1 >= blameLimit {
          entries[id] = nil
          condemned.append((id, entry.handler))
          continue
        }
      }
      entries[id]?.isSent = false
      entries[id]?.isCarried = true
      entries[id]?.hasDrawn = false
    }
    (drewTokens, finishedRequest) = (false, false)
    return condemned
  }

  mutating func removeAll() -> [(RequestID, Handler)] {
    defer { entries = [:] }
    return entries.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value.handler) }
  }
}
