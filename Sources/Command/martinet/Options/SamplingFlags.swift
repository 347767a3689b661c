import ArgumentParser
import EngineAPI

/// What a command's flags of sampling are for, which decides how they are called.
protocol SamplingFlagUse {
  static func flag(_ parameter: SamplingParameter) -> String
  static func help(_ parameter: SamplingParameter) -> ArgumentHelp
  static func range(_ parameter: SamplingParameter) -> ClosedRange<Double>
}

extension SamplingFlagUse {
  static func name(_ parameter: SamplingParameter) -> NameSpecification { .customLong(flag(parameter)) }
}

/// A flag for each sampling parameter: what is said of it here is its type, the rest is in its row
/// (`SamplingParameter`).
struct SamplingFlags<Use: SamplingFlagUse>: ParsableArguments {
  @Option(name: Use.name(.temperature), parsing: .unconditional, help: Use.help(.temperature)) var temperature: Double?
  @Option(name: Use.name(.topP), parsing: .unconditional, help: Use.help(.topP)) var topP: Double?
  @Option(name: Use.name(.topK), parsing: .unconditional, help: Use.help(.topK)) var topK: Int?
  @Option(name: Use.name(.minP), parsing: .unconditional, help: Use.help(.minP)) var minP: Double?
  @Option(name: Use.name(.repetitionPenalty), parsing: .unconditional, help: Use.help(.repetitionPenalty))
  var repetitionPenalty: Double?
  @Option(name: Use.name(.presencePenalty), parsing: .unconditional, help: Use.help(.presencePenalty))
  var presencePenalty: Double?
  @Option(name: Use.name(.frequencyPenalty), parsing: .unconditional, help: Use.help(.frequencyPenalty))
  var frequencyPenalty: Double?

  /// What was given.
  var settings: SamplingSettings {
    SamplingSettings([
      (.temperature, temperature), (.topP, topP), (.topK, topK.map { Double($0) }), (.minP, minP),
      (.repetitionPenalty, repetitionPenalty), (.presencePenalty, presencePenalty),
      (.frequencyPenalty, frequencyPenalty),
    ])
  }

  func validate() throws {
    let settings = settings
    for parameter in SamplingParameter.all {
      let range = Use.range(parameter)
      guard let value = settings[parameter], !range.contains(value) else { continue }
      throw ValidationError(
        "--\(Use.flag(parameter)) \(parameter.text(value)) is not between \(parameter.text(range.lowerBound)) and "
          + parameter.text(range.upperBound))
    }
  }
}

/// Flags that say how this command samples: `--min-p`.
enum OwnSampling: SamplingFlagUse {
  static func flag(_ parameter: SamplingParameter) -> String { parameter.flag }

  static func help(_ parameter: SamplingParameter) -> ArgumentHelp {
    let usual = Int(parameter.value(in: SamplingParameters()))
    let note = parameter.note.map { "; " + $0 } ?? ""
    return ArgumentHelp("\(parameter.help)\(note). (default: \(usual))")
  }

  static func range(_ parameter: SamplingParameter) -> ClosedRange<Double> { parameter.range }
}

/// Flags that say what holds where a request does not: `--default-min-p`.
enum RequestSampling: SamplingFlagUse {
  static func flag(_ parameter: SamplingParameter) -> String { "default-" + parameter.flag }

  static func help(_ parameter: SamplingParameter) -> ArgumentHelp {
    let note = parameter.note.map { "; " + $0 } ?? ""
    return ArgumentHelp("\(parameter.name) of requests that give none\(note).", valueName: parameter.unit)
  }

  /// What a request could ask for, too.
  static func range(_ parameter: SamplingParameter) -> ClosedRange<Double> {
    parameter.range.clamped(to: parameter.asked.range)
  }
}
