import ArgumentParser
import Checkpoints
import EngineAPI

/// How tokens are sampled. Without any of these, the most probable token is taken.
struct CommandSampling: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Whose sampling parameters hold where no option says: none, auto for the model's generation_config.json, or \
      another such file.
      """,
      valueName: "none|auto|file"))
  var generationConfig = GenerationConfig.none

  @OptionGroup var flags: SamplingFlags<OwnSampling>

  @Option(
    parsing: .unconditional,
    help: "Seed of the sampling; the same seed gives the same text at any number of ranks. (default: a fresh one)")
  var seed: UInt64?

  /// What holds for a model, which may recommend some.
  func parameters(_ model: any Checkpoint) throws -> SamplingParameters {
    var parameters = SamplingParameters()
    flags.settings.over(try generationConfig.recommendation(model)).apply(to: &parameters)
    parameters.seed = seed ?? UInt64.random(in: 0...UInt64(Int64.max))
    do { try parameters.validate() } catch { throw ValidationError("--\(error)") }
    return parameters
  }
}
