import EngineAPI

/// Every request that has not ended: what was delivered of it, and whether it is suspected of ending jobs.
///
/// A request may be to blame for a job's end when it had been sent to that job and had not sampled a token in it:
/// whatever a request does to a job, it does again at the same token after the next start. With several such requests
/// all are suspects. Later jobs get those above suspicion first, and when these have sampled tokens the suspects one at
/// a time, and nothing else meanwhile: a token clears a suspect, and an end while it is on trial counts against it. A
/// request is failed when so many of its trials in a row end the job; ends by other causes, which hit a trial by
/// chance, do not go on doing so.
struct RequestLedger {
  typealias Handler = @Sendable (TokenEvent) -> Void

  private struct Entry {
    /// With all tokens delivered so far in `sampled`.
    var request: TokenRequest
    let handler: Handler
    let order: Int
    var isSent = false
    /// Whether it was there when this job was started.
    var isCarried = false
    var hasSampled = false
    var isSuspect = false
    /// Jobs in a row that ended while it was the only one that could be to blame.
    var blame = 0
    var isUntold: Bool { isSent && !hasSampled }
  }

  let blameLimit: Int
  private var entries: [RequestID: Entry] = [:]
  private var nextOrder = 0
  /// Of the present job.
  private(set) var hasSampled = false
  private(set) var finishedRequest = false

  init(blameLimit: Int) { self.blameLimit = blameLimit }

  var isEmpty: Bool { entries.isEmpty }
  var hasUnsent: Bool { entries.values.contains { !$0.isSent } }

  /// False when a request of this name is under way.
  mutating func add(_ request: TokenRequest, handler: @escaping Handler) -> Bool {
    guard entries[request.id] == nil else { return false }
    entries[request.id] = Entry(request: request, handler: handler, order: nextOrder)
    nextOrder += 1
    return true
  }

  /// True when the job must be told.
  mutating func cancel(_ id: RequestID) -> Bool {
    guard let entry = entries.removeValue(forKey: id) else { return false }
    // So end those that have come to a stop string, too.
    if entry.hasSampled { finishedRequest = true }
    return entry.isSent
  }

  /// What to send to the job now, in the order in which it came.
  mutating func takeUnsent() -> [TokenRequest] {
    let unsent = entries.values.filter { !$0.isSent }.sorted { $0.order < $1.order }
    var chosen = unsent.filter { $0.isCarried && !$0.isSuspect }
    if chosen.isEmpty {
      if !entries.values.contains(where: \.isSuspect) {
        chosen = unsent
      } else if !entries.values.contains(where: \.isUntold) {
        // The most suspicious first: each is found out in as few ends as that takes, however many there are.
        chosen = unsent.filter(\.isSuspect).min { (-$0.blame, $0.order) < (-$1.blame, $1.order) }.map { [$0] } ?? []
      }
    }
    for entry in chosen { entries[entry.request.id]?.isSent = true }
    return chosen.map(\.request)
  }

  /// Notes an event of the job; returns whom to tell, and what. Nil for requests that have ended.
  mutating func note(_ event: TokenEvent) -> (TokenEvent, Handler)? {
    guard let entry = entries[event.id], entry.isSent else { return nil }
    var event = event
    if case .token(let id, let sampled, let finish) = event {
      entries[id]?.request.sampled.append(sampled.token)
      entries[id]?.hasSampled = true
      entries[id]?.isSuspect = false
      entries[id]?.blame = 0
      hasSampled = true
      // A request that has what it asked for must not go to another job.
      if finish == nil {
        if entry.request.stopTokens.contains(sampled.token) {
          event = .token(id, sampled, finish: .stop)
        } else if entry.request.sampled.count + 1 >= entry.request.maxNewTokens {
          event = .token(id, sampled, finish: .length)
        }
      }
    }
    // Told once: another job need not find it again.
    if case .prompt(let id, _, _) = event {
      entries[id]?.request.promptLogprobs = nil
      hasSampled = true
    }
    if case .embedding = event { hasSampled = true }
    if event.isLast {
      entries[event.id] = nil
      finishedRequest = true
    }
    return (event, entry.handler)
  }

  /// The job has ended, by itself. Returns the requests that will not be sent again.
  mutating func jobEnded() -> [(RequestID, Handler)] {
    let untold = entries.values.filter(\.isUntold)
    // An end during one suspect's trial says nothing for the others, as one that nobody was suspected of does.
    let isTrial = untold.count == 1 && untold[0].isSuspect
    for (id, entry) in entries {
      var entry = entry
      if untold.count == 1, untold[0].request.id == id {
        entry.blame += 1
      } else if !isTrial || entry.isSent {
        entry.blame = 0
      }
      entry.isSuspect = entry.isSuspect || entry.isUntold
      (entry.isSent, entry.hasSampled, entry.isCarried) = (false, false, true)
      entries[id] = entry
    }
    (hasSampled, finishedRequest) = (false, false)
    guard let condemned = entries.values.first(where: { $0.blame >= blameLimit }) else { return [] }
    entries[condemned.request.id] = nil
    return [(condemned.request.id, condemned.handler)]
  }

  mutating func removeAll() -> [(RequestID, Handler)] {
    defer { entries = [:] }
    return entries.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value.handler) }
  }
}
