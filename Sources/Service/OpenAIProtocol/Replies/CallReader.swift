/// Reads one stretch of calls, from what opens it to what closes it.
protocol CallReader: Sendable {
  /// Takes what it can. After `ended` and `failed` the reader is done, and what is still pending follows the calls; a
  /// reader that failed has given out as content whatever it took that belongs to no call. At the end of the text it
  /// takes everything and does not need more.
  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress

  var isInReasoning: Bool { get }
}

extension CallReader {
  var isInReasoning: Bool { false }
}

enum CallProgress: Sendable { case needsMore, ended, failed }

/// The longest name of a call, with what stands around it, that is waited for.
let longestCallHead = 512

extension PendingText {
  /// No marker can follow a head that is short enough: the bytes left over are more than the longest marker has.
  var exceedsCallHead: Bool { count > longestCallHead + 64 }
}
