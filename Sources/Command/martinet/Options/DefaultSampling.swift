import ArgumentParser
import Checkpoints
import ModelText
import OpenAIProtocol

/// How a server samples tokens where a request does not say.
struct DefaultSampling: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Whose sampling parameters hold where a request does not say: auto for the model's generation_config.json, none for the API's own defaults, or another such file.",
      valueName: "auto|none|file"))
  var generationConfig = GenerationConfig.auto

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Temperature of requests that give none; 0 takes the most probable token.", valueName: "t"))
  var defaultTemperature: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("top_p of requests that give none.", valueName: "p"))
  var defaultTopP: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("top_k of requests that give none; 0 for all tokens.", valueName: "k"))
  var defaultTopK: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("min_p of requests that give none.", valueName: "p"))
  var defaultMinP: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("repetition_penalty of requests that give none; 1 for no effect.", valueName: "x"))
  var defaultRepetitionPenalty: Double?

  func validate() throws {
    func check(_ name: String, _ value: Double?, _ range: ClosedRange<Double>) throws {
      guard let value, !range.contains(value) else { return }
      throw ValidationError("--\(name) \(value) is not between \(range.lowerBound) and \(range.upperBound)")
    }
    try check("default-temperature", defaultTemperature, 0...2)
    try check("default-top-p", defaultTopP, 0...1)
    try check("default-min-p", defaultMinP, 0...1)
    try check("default-repetition-penalty", defaultRepetitionPenalty, 0.01...10)
    if let defaultTopK, !(0...Int(Int32.max)).contains(defaultTopK) {
      throw ValidationError("--default-top-k \(defaultTopK) is not between 0 and \(Int32.max)")
    }
  }

  /// What holds for a model.
  func options(_ model: any Checkpoint) throws -> OpenAIProtocol.SamplingOptions {
    let recommended = try generationConfig.recommendation(model)
    var options = OpenAIProtocol.SamplingOptions()
    options.temperature = defaultTemperature ?? recommended.temperature ?? options.temperature
    options.topP = defaultTopP ?? recommended.topP ?? options.topP
    options.topK = (defaultTopK ?? recommended.topK).flatMap { $0 > 0 ? $0 : nil }
    options.minP = defaultMinP ?? recommended.minP ?? options.minP
    options.repetitionPenalty = defaultRepetitionPenalty ?? recommended.repetitionPenalty ?? options.repetitionPenalty
    return options
  }

  /// What a person is told of it.
  func announcement(_ options: OpenAIProtocol.SamplingOptions) -> String {
    let given: [Any?] = [defaultTemperature, defaultTopP, defaultTopK, defaultMinP, defaultRepetitionPenalty]
    let isGiven = given.contains { $0 != nil }
    var sources = generationConfig == .none ? [] : [generationConfig.source]
    if isGiven { sources.append("the command line") }
    let source = sources.isEmpty ? "the API's defaults" : "from " + sources.joined(separator: " and ")
    return "martinet: where a request does not say: \(options.summary) (\(source))"
  }
}

extension OpenAIProtocol.SamplingOptions {
  /// The parameters that do something.
  fileprivate var summary: String {
    if temperature == 0 { return "the most probable token" + penalty }
    var parts = ["temperature \(temperature)"]
    if topP < 1 { parts.append("top-p \(topP)") }
    if let topK { parts.append("top-k \(topK)") }
    if minP > 0 { parts.append("min-p \(minP)") }
    return parts.joined(separator: ", ") + penalty
  }

  private var penalty: String { repetitionPenalty == 1 ? "" : ", repetition-penalty \(repetitionPenalty)" }
}
