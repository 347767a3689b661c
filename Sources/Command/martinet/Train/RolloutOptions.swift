import ArgumentParser

/// How the completions of a step are sampled.
struct RolloutOptions: ParsableArguments {
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Prompts of a step. (default: grpo: 32, distill: 64)", valueName: "n"))
  var promptsPerStep: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Most tokens of a completion. (default: 256)", valueName: "tokens"))
  var maxNewTokens: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Divides logits where completions are sampled, not where they are learnt.", valueName: "t"))
  var temperature = 1.0

  /// The first that says something; nil where all are as without.
  var firstGiven: String? {
    [
      ("--prompts-per-step", promptsPerStep != nil), ("--max-new-tokens", maxNewTokens != nil),
      ("--temperature", temperature != 1),
    ].first { $0.1 }?.0
  }
}
