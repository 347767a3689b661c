/// The figures of a run.
package struct ServingFigures: Sendable {
  package let record: LoadRecord
  package let goal: Goodput?
  package let completed: Int
  /// How often each failure came, most frequent first.
  package let failures: [(reason: String, count: Int)]
  /// Given up at the user's wish.
  package let interrupted: Int
  package let retries: Int
  /// From the first request's sending to the last one's end; seconds.
  package let duration: Double
  /// Of completed requests.
  package let promptTokens: Int
  package let cachedTokens: Int
  package let outputTokens: Int
  /// Completed requests for which the server told no counts: their tokens are counted by chunks.
  package let withoutUsage: Int
  package let good: Int?
  /// Seconds.
  package let timeToFirstToken: SampleSummary
  package let timePerOutputToken: SampleSummary
  package let interTokenLatency: SampleSummary
  package let latency: SampleSummary

  /// Different failures beyond these are counted together.
  private static let failureLimit = 20

  package init(_ record: LoadRecord, goal: Goodput? = nil) {
    self.record = record
    self.goal = goal
    let outcomes = record.outcomes
    let done = outcomes.filter(\.isCompleted)
    completed = done.count
    var counts: [String: Int] = [:]
    for case .failed(let reason) in outcomes.map(\.ending) {
      counts[counts[reason] != nil || counts.count < Self.failureLimit ? reason : "other failures", default: 0] += 1
    }
    failures = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { (reason: $0.key, count: $0.value) }
    interrupted = outcomes.count { $0.ending == .interrupted }
    retries = outcomes.reduce(0) { $0 + $1.retries }
    let first = outcomes.map(\.start).min() ?? 0
    duration = (outcomes.map { $0.start + $0.duration }.max() ?? 0) - first
    promptTokens = done.reduce(0) { $0 + $1.promptTokens }
    cachedTokens = done.reduce(0) { $0 + $1.cachedTokens }
    outputTokens = done.reduce(0) { $0 + $1.outputTokens }
    withoutUsage = done.count { !$0.hasUsage }
    good = goal.map { goal in done.count { goal.isMet(by: $0) } }
    timeToFirstToken = SampleSummary(done.compactMap(\.timeToFirstToken))
    timePerOutputToken = SampleSummary(done.compactMap(\.timePerOutputToken))
    interTokenLatency = SampleSummary(done.flatMap(\.interTokenLatencies))
    latency = SampleSummary(done.compactMap(\.latency))
  }

  package var failed: Int { failures.reduce(0) { $0 + $1.count } }

  /// `count` in a second of the run; NaN for a run that took no time.
  package func rate(_ count: Int) -> Double { duration > 0 ? Double(count) / duration : .nan }
}
