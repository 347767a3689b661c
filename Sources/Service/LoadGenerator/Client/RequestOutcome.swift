/// What became of one request. Times are in seconds.
package struct RequestOutcome: Sendable, Equatable {
  package enum Ending: Sendable, Equatable {
    case completed
    /// Why it failed, in few words, so that equal failures can be counted together.
    case failed(String)
    /// Given up because the user wanted to stop.
    case interrupted
  }

  package var ending = Ending.interrupted
  /// When it was sent, after the start of the run, and how long it took until its stream ended or failed.
  package var start = 0.0
  package var duration = 0.0
  /// From sending to each chunk with text; for an answer without any text, to its end.
  package var tokenTimes: [Double] = []
  package var promptTokens = 0
  package var cachedTokens = 0
  package var outputTokens = 0
  /// Whether the server told the counts; else chunks were counted.
  package var hasUsage = false
  /// Times it was sent again because the server was full.
  package var retries = 0

  package init() {}

  package var isCompleted: Bool { ending == .completed }
  package var timeToFirstToken: Double? { tokenTimes.first }
  /// From sending to the last chunk with text.
  package var latency: Double? { tokenTimes.last }
  /// Mean time of a token after the first; nil where there is none.
  package var timePerOutputToken: Double? {
    guard outputTokens > 1, let first = tokenTimes.first, let last = tokenTimes.last else { return nil }
    return (last - first) / Double(outputTokens - 1)
  }
  /// Between successive chunks with text.
  package var interTokenLatencies: [Double] { zip(tokenTimes.dropFirst(), tokenTimes).map { $0 - $1 } }
}
