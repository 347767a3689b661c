import Synchronization

/// What the server has counted since it started.
final class ServerMetrics: Sendable {
  struct Outcome: Hashable {
    var route: String
    var status: Int
  }

  struct RequestEnd: Hashable {
    var route: String
    var end: String
  }

  struct Reload: Hashable {
    var what: String
    var isSuccess: Bool
  }

  struct Counts: Sendable {
    var responses: [Outcome: Int] = [:]
    var ends: [RequestEnd: Int] = [:]
    /// Requests answered with an error, by its code.
    var refusals: [String: Int] = [:]
    /// Connections that could not be accepted for want of files or memory.
    var failedAccepts = 0
    var reloads: [Reload: Int] = [:]
    var queueTime = Histogram.queueTime
    var promptTokens = 0
    var cachedTokens = 0
    var generatedTokens = 0
    var engineFailures = 0
    var firstToken = Histogram.firstToken
    var interToken = Histogram.interToken
    var wholeRequest = Histogram.wholeRequest

    /// Clients that went before their answer was complete.
    var departures: Int { requests(ended: .clientLeft) }
    /// Clients that were too slow in taking their answer.
    var slowClients: Int { requests(ended: .clientTooSlow) }

    private func requests(ended end: RequestRecord.End) -> Int {
      ends.reduce(0) { $0 + ($1.key.end == end.rawValue ? $1.value : 0) }
    }
  }

  private let counts = Mutex(Counts())

  func count(_ change: (inout sending Counts) -> Void) { counts.withLock { change(&$0) } }

  var current: Counts { counts.withLock { $0 } }

  func countResponse(route: Route?, status: Int) {
    count { $0.responses[Outcome(route: route?.rawValue ?? "other", status: status), default: 0] += 1 }
  }
}
