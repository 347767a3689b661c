/// What somebody said of how tokens are to be sampled, in double precision as JSON has it: a request, a server's
/// defaults, the flags of a command, or a model's recommendation. What nobody spoke of is nil.
package struct SamplingSettings: Sendable, Equatable {
  /// By name.
  private var values: [String: Double] = [:]

  package init() {}

  package init(_ given: [(SamplingParameter, Double?)]) {
    for (parameter, value) in given { self[parameter] = value }
  }

  package var isEmpty: Bool { values.isEmpty }

  package subscript(parameter: SamplingParameter) -> Double? {
    get { values[parameter.name] }
    set { values[parameter.name] = newValue }
  }

  /// These, and for what they leave open `others`.
  package func over(_ others: SamplingSettings) -> SamplingSettings {
    var all = self
    all.values.merge(others.values) { own, _ in own }
    return all
  }

  /// Changes what is said here.
  package func apply(to parameters: inout SamplingParameters) {
    for parameter in SamplingParameter.all { if let value = self[parameter] { parameter.set(value, in: &parameters) } }
  }
}
