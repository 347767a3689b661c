import ArgumentParser
import Inference

/// Whether steps try tokens ahead of what is sampled.
struct SpeculationFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Try tokens ahead, several in a step: of the model's own prediction layer (mtp), of what followed the same \
      tokens before (lookup), or both as far as there are (auto). Results do not depend on it.
      """,
      valueName: "off|auto|mtp|lookup"))
  var speculate = SpeculationMode.off

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Most tokens of a sequence to try ahead in a step; prediction layers alone give one, or a block.",
      valueName: "n"))
  var draftTokens = 3

  func validate() throws { try require("draft-tokens", draftTokens, in: SpeculationOptions.draftTokensRange) }

  var options: SpeculationOptions {
    var options = SpeculationOptions()
    (options.mode, options.draftTokens) = (speculate, draftTokens)
    return options
  }

  /// These options as another process takes them.
  var arguments: [String] { ["--speculate", speculate.rawValue, "--draft-tokens", "\(draftTokens)"] }
}

extension SpeculationMode: ExpressibleByArgument {}
