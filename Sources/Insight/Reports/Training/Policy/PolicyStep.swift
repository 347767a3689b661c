/// What one step of reinforcement learning told.
package struct PolicyStep: Sendable {
  /// What became of completions. Sums stay below 2^53, which a page can still count.
  package struct Completions: Sendable, Equatable {
    package var count = 0
    /// That were sampled, all together.
    package var tokens = 0
    /// Of which somebody said whether they are right, and those that were.
    package var graded = 0
    package var right = 0
    package var noAnswer = 0
    /// That the limit of length ended.
    package var cut = 0

    package init(count: Int = 0, tokens: Int = 0, graded: Int = 0, right: Int = 0, noAnswer: Int = 0, cut: Int = 0) {
      (self.count, self.tokens, self.graded) = (count, tokens, graded)
      (self.right, self.noAnswer, self.cut) = (right, noAnswer, cut)
    }

    static let limit = 1 << 53
    static var fields: [(name: String, field: WritableKeyPath<Completions, Int>)] {
      [
        ("count", \.count), ("tokens", \.tokens), ("graded", \.graded), ("right", \.right),
        ("no_answer", \.noAnswer), ("cut", \.cut),
      ]
    }

    /// The same with no share above one.
    var possible: Completions {
      var counts = self
      for (_, field) in Self.fields { counts[keyPath: field] = max(0, counts[keyPath: field]) }
      for field in [\Completions.graded, \.noAnswer, \.cut] {
        counts[keyPath: field] = min(counts[keyPath: field], counts.count)
      }
      counts.right = min(counts.right, counts.graded)
      return counts
    }

    mutating func add(_ other: Completions) {
      for (_, field) in Self.fields {
        let (a, b) = (self[keyPath: field], other[keyPath: field])
        self[keyPath: field] = min(a, Self.limit / 2) + min(b, Self.limit / 2 - 1)
      }
    }
  }

  package var completions: Completions
  /// Without those that nobody knows of this step.
  package var values: [PolicyMetric: Double]
  /// What the reward consists of, by name: means over the completions, before their weights.
  package var parts: [(name: String, value: Double)]

  package init(
    completions: Completions, values: [PolicyMetric: Double] = [:], parts: [(name: String, value: Double)] = []
  ) {
    (self.completions, self.values, self.parts) = (completions, values, parts)
  }
}
