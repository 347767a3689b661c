/// Steps of reinforcement learning that a history put together; empty for other trainings.
package struct PolicySteps: Sendable, Equatable {
  /// A number over those steps that told it.
  struct Span: Sendable, Equatable {
    var steps: Int
    var mean: Double
    var least: Double
    var most: Double

    func joined(_ other: Span) -> Span {
      let (a, b) = (Double(steps), Double(other.steps))
      return Span(
        steps: steps + other.steps, mean: (mean * a + other.mean * b) / (a + b), least: min(least, other.least),
        most: max(most, other.most))
    }
  }

  static let partLimit = 16
  static let nameLimit = 64

  var completions = PolicyStep.Completions()
  var metrics: [PolicyMetric: Span] = [:]
  var parts: [String: Span] = [:]

  init() {}

  /// One step; numbers that are none count as not told.
  init(_ step: PolicyStep) {
    func span(_ value: Double) -> Span? {
      value.isFinite ? Span(steps: 1, mean: value, least: value, most: value) : nil
    }
    completions.add(step.completions.possible)
    metrics = step.values.compactMapValues(span)
    for (name, value) in step.parts { parts[Self.name(name)] = span(value) }
  }

  var isEmpty: Bool { self == PolicySteps() }

  mutating func add(_ other: PolicySteps) {
    completions.add(other.completions)
    metrics.merge(other.metrics) { $0.joined($1) }
    parts.merge(other.parts) { $0.joined($1) }
  }

  /// A part's name, short enough for a plot's title.
  static func name(_ name: String) -> String { String(name.unicodeScalars.prefix(nameLimit)) }
}
