import Logging
import Synchronization

/// What is known of one request, told when it has ended: a line of the log, and counts.
///
/// Whoever works on the request in its task finds it in `current`.
final class RequestRecord: Sendable {
  @TaskLocal static var current: RequestRecord?

  /// How a request ended, whatever status its answer began with.
  enum End: String, Sendable, CaseIterable {
    /// It was answered, if only by a refusal.
    case finished
    /// The client went before its answer was complete.
    case clientLeft = "client_left"
    /// The client took nothing for too long.
    case clientTooSlow = "client_too_slow"
    /// The server stopped.
    case stopped
    /// What was begun could not be completed.
    case failed
  }

  struct Facts: Sendable {
    var id = ""
    var client = ""
    var method = ""
    var path = ""
    var route: Route?
    var keyLabel: String?
    var model: String?
    var status = 0
    var error: String?
    var end: End?
    /// Of its connection, where the answer may be left before its end.
    var departure: Departure?
    var sequences = 0
    var promptTokens = 0
    var cachedTokens = 0
    var completionTokens = 0
    /// From its arrival until its first sequence had left the engine's queue.
    var queueTime: Duration?
    var firstTokenTime: Duration?
    fileprivate var isTold = false
  }

  let arrival = ContinuousClock.now
  private let facts: Mutex<Facts>
  /// nil where nothing is to be logged.
  private let logger: Logger?
  private let metrics: ServerMetrics

  init(_ facts: Facts, logger: Logger?, metrics: ServerMetrics) {
    self.facts = Mutex(facts)
    (self.logger, self.metrics) = (logger, metrics)
  }

  /// An answer that was begun and that nobody was there to take.
  deinit { close(.clientLeft) }

  var current: Facts { facts.withLock { $0 } }

  func note(_ change: (inout sending Facts) -> Void) { facts.withLock { change(&$0) } }

  /// Why it did not end as it should. What was noted first stays.
  func noteEnd(_ end: End, error: String? = nil) {
    facts.withLock { facts in
      guard facts.end == nil else { return }
      (facts.end, facts.error) = (Self.truth(of: end, facts), facts.error ?? error)
    }
  }

  /// Tells of the request, the first time it is called: it ended as noted, or else like this.
  func close(_ end: End = .finished) {
    let facts = facts.withLock { facts -> Facts? in
      guard !facts.isTold else { return nil }
      facts.isTold = true
      facts.end = facts.end ?? Self.truth(of: end, facts)
      return facts
    }
    guard let facts, let end = facts.end else { return }
    metrics.count { $0.ends[.init(route: facts.route?.rawValue ?? "other", end: end.rawValue), default: 0] += 1 }
    logger?.log(level: Self.level(facts), "request", metadata: metadata(facts, end: end))
  }

  /// Who finds a closed connection takes its client for gone; it may have been cut off.
  private static func truth(of end: End, _ facts: Facts) -> End {
    end == .clientLeft && facts.departure?.isCutOff == true ? .clientTooSlow : end
  }

  /// Of what is asked every few seconds by other programs, only failures are of interest.
  private static func level(_ facts: Facts) -> Logger.Level {
    switch facts.route {
    case .health, .ready, .metrics, .version, .cluster: .debug
    default: facts.end == .failed || facts.status >= 500 ? .warning : .info
    }
  }

  private func metadata(_ facts: Facts, end: End) -> Logger.Metadata {
    var fields: Logger.Metadata = [
      "request_id": .string(facts.id), "client": .string(facts.client), "method": .string(facts.method),
      "path": .string(facts.path), "status": .stringConvertible(facts.status), "end": .string(end.rawValue),
      "seconds": .stringConvertible((ContinuousClock.now - arrival).inMicros),
    ]
    fields["api_key"] = facts.keyLabel.map { .string($0) }
    fields["model"] = facts.model.map { .string($0) }
    fields["error"] = facts.error.map { .string($0) }
    guard facts.sequences > 0 else { return fields }
    if facts.sequences > 1 { fields["sequences"] = .stringConvertible(facts.sequences) }
    fields["prompt_tokens"] = .stringConvertible(facts.promptTokens)
    fields["cached_tokens"] = .stringConvertible(facts.cachedTokens)
    fields["completion_tokens"] = .stringConvertible(facts.completionTokens)
    fields["queue_seconds"] = facts.queueTime.map { .stringConvertible($0.inMicros) }
    fields["first_token_seconds"] = facts.firstTokenTime.map { .stringConvertible($0.inMicros) }
    return fields
  }
}

extension Duration {
  /// Seconds, to the microsecond.
  fileprivate var inMicros: Double { (inSeconds * 1e6).rounded() / 1e6 }
}

extension RequestRecord {
  /// The id that a client gave its request, if it can stand in a log and a header as it is.
  static func saneID(_ given: String?) -> String? {
    guard let given, (1...128).contains(given.utf8.count) else { return nil }
    let isSane = given.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        || "-_.:/+=@#~".utf8.contains(byte)
    }
    return isSane ? given : nil
  }

  /// The client as the nearest proxy names it: the last entry of `X-Forwarded-For`.
  static func forwardedClient(_ header: String?) -> String? {
    let last = header?.split(separator: ",").last.map { $0.filter { $0 != " " && $0 != "\t" } }
    guard let last, (1...64).contains(last.utf8.count) else { return nil }
    return last.utf8.allSatisfy { (33...126).contains($0) } ? last : nil
  }
}
