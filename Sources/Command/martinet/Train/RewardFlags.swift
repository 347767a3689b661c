import ArgumentParser
import Rewards

/// What completions are worth.
struct RewardFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      What a completion is paid by, each with a weight where that is not 1: exact, numeric, expression, contains, \
      regex, claim, outcomes, format, length, command.
      """,
      valueName: "rule[=weight],…"))
  var reward: String

  @Option(
    help: ArgumentHelp(
      "What a whole completion must match for format. (default: <think>…</think> and an answer)", valueName: "pattern"))
  var rewardFormatPattern: String?

  @Option(help: ArgumentHelp("What regex finds in an answer.", valueName: "pattern"))
  var rewardRegexPattern: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How far from its target a number may be for numeric.", valueName: "number"))
  var rewardTolerance = 0.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "λ, what a wrong answer costs for outcomes: answering pays where it is right with more than λ/(1+λ).",
      valueName: "λ"))
  var rewardWrongPenalty = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens before the limit in which length falls from 0 to −1. (default: a fifth of the limit)",
      valueName: "tokens"))
  var rewardLengthCache: Int?

  @Option(
    help: ArgumentHelp(
      "What command runs: a program that reads completions and writes rewards as JSON lines.", valueName: "command"))
  var rewardCommand: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long it may take for the completions of a step.", valueName: "seconds"))
  var rewardTimeout = 60.0

  @Flag(help: "Let it see the network.") var rewardNetwork = false

  func rules() throws -> RewardRules {
    var options = RewardOptions()
    (options.formatPattern, options.regexPattern) = (rewardFormatPattern, rewardRegexPattern)
    (options.tolerance, options.wrongPenalty) = (rewardTolerance, rewardWrongPenalty)
    (options.lengthCache, options.command) = (rewardLengthCache, rewardCommand)
    (options.commandTimeout, options.isolatesCommand) = (rewardTimeout, !rewardNetwork)
    return try RewardRules(reward, options: options)
  }
}
