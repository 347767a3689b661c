import JSON

extension SchemaBenchmark {
  /// What became of many files.
  package struct Summary: Sendable {
    package var schemaCount: Int
    package var passingCount: Int
    package var compileErrorCount: Int
    /// Schemas of which a valid instance was refused, and of which an invalid one was accepted.
    package var refusingCount: Int
    package var acceptingCount: Int
    package var unreadableCount: Int
    private let compileTimes: [Duration]
    private let maskTimes: [Duration]

    package init(_ outcomes: [Outcome], unreadableCount: Int) {
      schemaCount = outcomes.count + unreadableCount
      passingCount = outcomes.count(where: \.passes)
      compileErrorCount = outcomes.count { $0.compileError != nil }
      refusingCount = outcomes.count { !$0.refused.isEmpty }
      acceptingCount = outcomes.count { !$0.accepted.isEmpty }
      self.unreadableCount = unreadableCount
      compileTimes = outcomes.map(\.compileTime).sorted()
      maskTimes = outcomes.flatMap(\.maskTimes).sorted()
    }

    private static let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)]

    private static func quantile(_ sorted: [Duration], _ share: Double) -> Duration {
      sorted.isEmpty ? .zero : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    package var json: JSONValue {
      func seconds(_ sorted: [Duration]) -> JSONValue {
        .object(JSONObject(Self.quantiles.map { ($0, .double(Self.quantile(sorted, $1) / .seconds(1))) }))
      }
      return [
        "schemas": .int(schemaCount), "passing": .int(passingCount), "compile_errors": .int(compileErrorCount),
        "valid_refused": .int(refusingCount), "invalid_accepted": .int(acceptingCount),
        "unreadable": .int(unreadableCount),
        "tokens": .int(maskTimes.count), "compile_seconds": seconds(compileTimes), "mask_seconds": seconds(maskTimes),
      ]
    }

    package var text: String {
      func micros(_ sorted: [Duration]) -> String {
        Self.quantiles.map { name, share in
          "\(name) \(Int((Self.quantile(sorted, share) / .microseconds(1)).rounded()))"
        }.joined(separator: "  ")
      }
      let share = schemaCount == 0 ? 0 : (Double(passingCount) / Double(schemaCount) * 1000).rounded() / 10
      return """
        \(schemaCount) schemas: \(passingCount) pass (\(share) %), \(compileErrorCount) do not compile, \
        \(refusingCount) refuse a valid instance, \(acceptingCount) accept an invalid one, \(unreadableCount) unreadable
        compile, µs:  \(micros(compileTimes))
        mask, µs:     \(micros(maskTimes))  (\(maskTimes.count) tokens)
        """
    }
  }
}
