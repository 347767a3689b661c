/// A row of the table of sampling parameters: what everybody between a client and the sampler must know of one.
package struct SamplingParameter: Sendable {
  /// Where the sampler finds its value.
  package enum Place: Sendable {
    case number(any WritableKeyPath<SamplingParameters, Float> & Sendable)
    case count(any WritableKeyPath<SamplingParameters, Int> & Sendable)
  }

  /// What requests may ask for.
  package struct AskedRange: Sendable {
    package let range: ClosedRange<Double>
    /// The lower bound itself is refused.
    package let excludesLower: Bool

    package init(_ range: ClosedRange<Double>, excludesLower: Bool = false) {
      (self.range, self.excludesLower) = (range, excludesLower)
    }
  }

  /// Its key in all APIs, in `generation_config.json` and in messages.
  package let name: String
  package let place: Place
  /// What the sampler takes.
  package let range: ClosedRange<Double>
  /// Of a count, what lies beyond `range` counts as the bound it is beyond.
  package let asked: AskedRange
  /// What `generation_config.json` may recommend; nil where it is not looked for there.
  package let recommended: ClosedRange<Double>?
  /// Samples from the model's own distribution, as far as this parameter goes: what holds where a request says nothing.
  package let neutral: Double
  /// It counts where the most probable token is taken, too.
  package let changesLogits: Bool
  /// A sentence without its end, for help.
  package let help: String
  /// What a value of note means.
  package let note: String?
  /// Stands for its value in help.
  package let unit: String

  init(
    _ name: String, _ place: Place, in range: ClosedRange<Double>, asked: AskedRange,
    recommended: ClosedRange<Double>? = nil, neutral: Double, changesLogits: Bool = false, help: String,
    note: String? = nil, unit: String
  ) {
    (self.name, self.place, self.range, self.asked, self.recommended) = (name, place, range, asked, recommended)
    (self.neutral, self.changesLogits, self.help, self.note, self.unit) = (neutral, changesLogits, help, note, unit)
  }

  /// Its name on the command line, without dashes before it, and in errors.
  package var flag: String { name.replacing("_", with: "-") }

  /// Its values are integers.
  package var isCount: Bool { if case .count = place { true } else { false } }

  package func value(in parameters: SamplingParameters) -> Double {
    switch place {
    case .number(let path): Double(parameters[keyPath: path])
    case .count(let path): Double(parameters[keyPath: path])
    }
  }

  /// Rounds `value` to what the sampler computes with. Counts must be of `range`.
  package func set(_ value: Double, in parameters: inout SamplingParameters) {
    switch place {
    case .number(let path): parameters[keyPath: path] = Float(value)
    case .count(let path): parameters[keyPath: path] = Int(value)
    }
  }

  /// How a value is written for people.
  package func text(_ value: Double) -> String {
    isCount ? Int(exactly: value).map { "\($0)" } ?? "\(value)" : "\(value)"
  }
}

extension SamplingParameters {
  /// Throws the first value outside its range.
  package func validate() throws(SamplingError) {
    for parameter in SamplingParameter.all {
      let isInside: Bool
      let value: Float
      // In the precision of the value: a bound such as 0.01 is its nearest number there, too.
      let (lower, upper) = (Float(parameter.range.lowerBound), Float(parameter.range.upperBound))
      switch parameter.place {
      case .number(let path):
        value = self[keyPath: path]
        isInside = value.isFinite && (lower...upper).contains(value)
      case .count(let path):
        value = Float(self[keyPath: path])
        isInside = parameter.range.contains(Double(self[keyPath: path]))
      }
      guard isInside else { throw SamplingError(name: parameter.flag, value: value, lower: lower, upper: upper) }
    }
  }
}

/// A sampling parameter outside its range.
package struct SamplingError: Error, Equatable, CustomStringConvertible {
  /// As on the command line.
  package var name: String
  package var value: Float
  package var lower: Float
  package var upper: Float

  package var description: String { "\(name) \(value) is not between \(lower) and \(upper)" }
}
