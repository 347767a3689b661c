import ArgumentParser
import Checkpoints
import EngineAPI
import ModelText

/// How tokens are sampled. Without any of these, the most probable token is taken.
struct SamplingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Whose sampling parameters hold where no option says: none, auto for the model's generation_config.json, or another such file.",
      valueName: "none|auto|file"))
  var generationConfig = GenerationConfig.none

  @Option(
    parsing: .unconditional, help: "Divides logits before the softmax; 0 takes the most probable token. (default: 0)")
  var temperature: Float?

  @Option(parsing: .unconditional, help: "Sample from the k most probable tokens only; 0 for all. (default: 0)")
  var topK: Int?

  @Option(
    parsing: .unconditional,
    help: "Sample from the most probable tokens that together reach this probability. (default: 1)")
  var topP: Float?

  @Option(
    parsing: .unconditional,
    help: "Sample from tokens at least this fraction as probable as the most probable one. (default: 0)")
  var minP: Float?

  @Option(parsing: .unconditional, help: "Makes tokens already seen less probable; 1 for no effect. (default: 1)")
  var repetitionPenalty: Float?

  @Option(parsing: .unconditional, help: "Subtracted from the logits of tokens in the output.")
  var presencePenalty: Float = 0

  @Option(parsing: .unconditional, help: "Subtracted for each time a token is in the output.")
  var frequencyPenalty: Float = 0

  @Option(
    parsing: .unconditional,
    help: "Seed of the sampling; the same seed gives the same text at any number of ranks. (default: a fresh one)")
  var seed: UInt64?

  /// What holds for a model, which may recommend some.
  func parameters(_ model: any Checkpoint) throws -> SamplingParameters {
    try parameters(try generationConfig.recommendation(model))
  }

  private func parameters(_ recommended: RecommendedSampling) throws -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.temperature = temperature ?? recommended.temperature.map { Float($0) } ?? 0
    parameters.topK = topK ?? recommended.topK ?? 0
    parameters.topP = topP ?? recommended.topP.map { Float($0) } ?? 1
    parameters.minP = minP ?? recommended.minP.map { Float($0) } ?? 0
    parameters.repetitionPenalty = repetitionPenalty ?? recommended.repetitionPenalty.map { Float($0) } ?? 1
    parameters.presencePenalty = presencePenalty
    parameters.frequencyPenalty = frequencyPenalty
    parameters.seed = seed ?? UInt64.random(in: 0...UInt64(Int64.max))
    do { try parameters.validate() } catch { throw ValidationError("--\(error)") }
    return parameters
  }

  func validate() throws {
    if let topK, !(0...Int(Int32.max)).contains(topK) {
      throw ValidationError("--top-k \(topK) is not between 0 and \(Int32.max)")
    }
    _ = try parameters(RecommendedSampling())
  }
}
