/// What a request must keep to be a good one.
package struct Goodput: Sendable, Equatable {
  package enum Measure: String, Sendable, CaseIterable { case ttft, tpot, itl, e2el }

  /// Milliseconds at most.
  package let limits: [(measure: Measure, milliseconds: Double)]

  package static func == (a: Goodput, b: Goodput) -> Bool { a.limits.elementsEqual(b.limits) { $0 == $1 } }

  /// From `ttft:500,tpot:50`.
  package init(parsing text: String) throws(LoadError) {
    var limits: [(Measure, Double)] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: ":", omittingEmptySubsequences: false)
      guard pair.count == 2, let measure = Measure(rawValue: String(pair[0])), let limit = Double(pair[1]),
        limit.isFinite,
        limit > 0, !limits.contains(where: { $0.0 == measure })
      else { throw .badGoal(text) }
      limits.append((measure, limit))
    }
    self.limits = limits
  }

  package var text: String {
    limits.map { measure, limit in
      "\(measure.rawValue):\(Int(exactly: limit).map { "\($0)" } ?? "\(limit)")"
    }.joined(separator: ",")
  }

  /// Whether a completed request keeps all limits; what it has not (one token has no time per token) it keeps.
  package func isMet(by outcome: RequestOutcome) -> Bool {
    outcome.isCompleted
      && limits.allSatisfy { measure, limit in
        let seconds: Double? =
          switch measure {
          case .ttft: outcome.timeToFirstToken
          case .tpot: outcome.timePerOutputToken
          case .itl:
            outcome.interTokenLatencies.isEmpty
              ? nil : outcome.interTokenLatencies.reduce(0, +) / Double(outcome.interTokenLatencies.count)
          case .e2el: outcome.latency
          }
        return seconds.map { $0 * 1000 <= limit } ?? true
      }
  }
}
