import ArgumentParser
import Reinforcement
import Training

/// What completions are sampled, and how a policy learns from them.
struct PolicyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Prompts with checkable answers: lines {\"messages\": […], \"answer\": …} or {\"prompt\": …, \"answer\": …}.",
      valueName: "file.jsonl"))
  var prompts: String

  @Option(help: ArgumentHelp("Prompts that are answered greedily and scored, and not learnt.", valueName: "file.jsonl"))
  var heldOut: String?

  @Option(
    help: ArgumentHelp(
      """
      Published settings, which options given here change: grpo, dr-grpo, dapo, gspo or r1. (default: none of \
      them: r − mean, a mean over all tokens, one update for each round)
      """,
      valueName: "name"))
  var preset: PolicyPreset?

  @OptionGroup var rollouts: RolloutOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Completions of each prompt. (default: 16)", valueName: "n"))
  var groupSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Updates of the model for each round, a part of the prompts each. (default: 1: what is learnt from is the \
      model's own)
      """,
      valueName: "n"))
  var updates: Int?

  @Option(
    help: ArgumentHelp(
      """
      What a token's loss is divided by: all tokens of the update, or each completion's length and their number, \
      or their number and --max-new-tokens. (default: tokens)
      """,
      valueName: "tokens|completions|limit"))
  var lossMean: PolicyObjective.Mean?

  @Option(
    help: ArgumentHelp(
      "Whose ratio to when it was sampled is clipped: a token's or a whole completion's. (default: token)",
      valueName: "token|sequence"))
  var ratio: PolicyObjective.Ratio?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How far a ratio may fall below 1. (default: 0.2)", valueName: "ε"))
  var clipLow: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How far a ratio may rise above 1. (default: 0.28)", valueName: "ε"))
  var clipHigh: Double?

  @Flag(
    inversion: .prefixedNo,
    help: "Divide advantages by the standard deviation of their group's rewards. (default: no)")
  var divideByDeviation: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Sample other prompts in the place of those whose completions are all worth the same. (default: no)")
  var resample: Bool?

  @Flag(inversion: .prefixedNo, help: "Learn nothing of completions that were cut off. (default: no)")
  var maskCut: Bool?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "β of the pull towards the reference, the model that the training begins with. (default: 0)", valueName: "β"))
  var referencePenalty: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps after which the reference becomes the model as it is; 0 for never. (default: 0)", valueName: "steps"))
  var referenceEvery: Int?

  @OptionGroup var reward: RewardFlags

  /// Throws for numbers that no training can have.
  func policy() throws -> PolicySettings {
    let values = preset?.values
    var settings = PolicySettings()
    settings.objective = values?.objective ?? PolicyObjective()
    settings.promptsPerStep = rollouts.promptsPerStep ?? values?.promptsPerStep ?? settings.promptsPerStep
    settings.groupSize = groupSize ?? values?.groupSize ?? settings.groupSize
    settings.maxNewTokens = rollouts.maxNewTokens ?? values?.maxNewTokens ?? settings.maxNewTokens
    settings.temperature = rollouts.temperature
    func set<T>(_ path: WritableKeyPath<PolicyObjective, T>, _ value: T?) {
      if let value { settings.objective[keyPath: path] = value }
    }
    set(\.updates, updates)
    set(\.mean, lossMean)
    set(\.ratio, ratio)
    set(\.clipLow, clipLow)
    set(\.clipHigh, clipHigh)
    set(\.dividesByDeviation, divideByDeviation)
    set(\.resamples, resample)
    set(\.masksCut, maskCut)
    set(\.referencePenalty, referencePenalty)
    set(\.referenceEvery, referenceEvery)
    try settings.check()
    return settings
  }
}

extension PolicyPreset: ExpressibleByArgument {}
extension PolicyObjective.Mean: ExpressibleByArgument {}
extension PolicyObjective.Ratio: ExpressibleByArgument {}
