import ArgumentParser
import Checkpoints
import EngineAPI
import OpenAIProtocol

/// How a server samples tokens where a request does not say.
struct DefaultSampling: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Whose sampling parameters hold where a request does not say: auto for the model's generation_config.json, \
      none for the API's own defaults, or another such file.
      """,
      valueName: "auto|none|file"))
  var generationConfig = GenerationConfig.auto

  @OptionGroup var flags: SamplingFlags<RequestSampling>

  /// What holds for a model.
  func options(_ model: any Checkpoint) throws -> SamplingOptions {
    SamplingOptions(flags.settings.over(try generationConfig.recommendation(model)))
  }

  /// What a person is told of it.
  func announcement(_ options: SamplingOptions) -> String {
    var sources = generationConfig == .none ? [] : [generationConfig.source]
    if !flags.settings.isEmpty { sources.append("the command line") }
    let source = sources.isEmpty ? "the API's defaults" : "from " + sources.joined(separator: " and ")
    return "martinet: where a request does not say: \(options.summary) (\(source))"
  }
}

extension SamplingOptions {
  /// The parameters that do something. The temperature comes first, and decides about those that narrow a choice.
  fileprivate var summary: String {
    let isGreedy = self[.temperature] == 0
    var parts = [isGreedy ? "the most probable token" : "temperature \(self[.temperature])"]
    for parameter in SamplingParameter.all where parameter.name != SamplingParameter.temperature.name {
      if self[parameter] == parameter.neutral || isGreedy && !parameter.changesLogits { continue }
      parts.append("\(parameter.flag) \(parameter.text(self[parameter]))")
    }
    return parts.joined(separator: ", ")
  }
}
