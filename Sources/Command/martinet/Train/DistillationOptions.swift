import ArgumentParser
import Distillation
import MoEModel
import Training

/// Who teaches, and by what.
struct DistillationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The model that is learnt from; of any family, with the same tokenizer.", valueName: "dir"))
  var teacher: String

  @Option(help: "How the teacher's weights are held: auto (as stored), mixed, f32, bf16, q8 or q4.")
  var teacherWeights = WeightPrecision.auto

  @Option(
    help: ArgumentHelp(
      """
      Conversations, text or tokens, as train sft and pretrain take them: of each token that is learnt the teacher \
      says what might stand there.
      """,
      valueName: "file[=weight],…"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      """
      Prompts, lines {\"messages\": […]} or {\"prompt\": …}, whose completions are sampled: the teacher says of each \
      token what might stand there.
      """,
      valueName: "file.jsonl"))
  var prompts: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      β, from 0, KL(teacher ‖ student), to 1, KL(student ‖ teacher); between them the generalised Jensen–Shannon \
      divergence. (default: 1 with --prompts, 0 with --data)
      """,
      valueName: "0…1"))
  var divergence: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Divides the logits of both models where they are compared.", valueName: "t"))
  var lossTemperature = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "λ, the part of the completions that the student samples; the teacher samples the others. (default: 1)",
      valueName: "0…1"))
  var ownShare: Double?

  /// With --prompts, each with one completion.
  @OptionGroup var rollouts: RolloutOptions
  /// With --data.
  @OptionGroup var sequences: SequenceOptions

  func validate() throws {
    guard (data == nil) != (prompts == nil) else { throw ValidationError("give one of --data and --prompts") }
    let (other, stray) =
      data == nil
      ? ("--data", sequences.firstGiven) : ("--prompts", ownShare == nil ? rollouts.firstGiven : "--own-share")
    if let stray { throw ValidationError("\(stray) goes with \(other)") }
  }

  /// Throws for numbers that no training can have.
  func settings() throws -> DistillationSettings {
    var settings = DistillationSettings(.text, beta: divergence ?? (data == nil ? 1 : 0))
    if data == nil {
      var samples = DistillationSettings.Samples()
      samples.promptsPerStep = rollouts.promptsPerStep ?? samples.promptsPerStep
      samples.maxNewTokens = rollouts.maxNewTokens ?? samples.maxNewTokens
      samples.ownShare = ownShare ?? samples.ownShare
      samples.temperature = rollouts.temperature
      settings.material = .samples(samples)
    }
    settings.lossTemperature = lossTemperature
    try settings.check()
    return settings
  }

  /// As `train sft` has them; nil where completions are sampled.
  var text: TextOptions? {
    guard let data else { return nil }
    var text = TextOptions()
    (text.data, text.sequences, text.batchRamp) = (data, sequences, 0)
    return text
  }
}
