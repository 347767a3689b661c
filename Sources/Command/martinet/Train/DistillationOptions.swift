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
      Prompts, lines {\"messages\": […]} or {\"prompt\": …}, whose completions are drawn: the teacher says of each \
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
      "λ, the part of the completions that the student draws; the teacher draws the others. (default: 1)",
      valueName: "0…1"))
  var ownShare: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompts of a step, each with one completion. (default: 64)", valueName: "n"))
  var promptsPerStep: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Most tokens of a completion. (default: 256)", valueName: "tokens"))
  var maxNewTokens: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Divides logits where completions are drawn. (default: 1)", valueName: "t"))
  var temperature: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --data: tokens that a sequence predicts. (default: 512)", valueName: "tokens"))
  var sequenceLength: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --data: sequences of a step, over all ranks. (default: 32)", valueName: "n"))
  var batchSequences: Int?

  @Option(
    help: ArgumentHelp(
      "With --data: how documents become sequences, as train pretrain has it. (default: whole)",
      valueName: "packed|whole|cut"))
  var packing: Packing?

  @Option(help: ArgumentHelp("With --data: data that are scored (−log p) and not learnt.", valueName: "file,…"))
  var heldOut: String?

  func validate() throws {
    guard (data == nil) != (prompts == nil) else { throw ValidationError("give one of --data and --prompts") }
    let ofPrompts = [
      ("--own-share", ownShare != nil), ("--prompts-per-step", promptsPerStep != nil),
      ("--max-new-tokens", maxNewTokens != nil), ("--temperature", temperature != nil),
    ]
    let ofData = [
      ("--sequence-length", sequenceLength != nil), ("--batch-sequences", batchSequences != nil),
      ("--packing", packing != nil), ("--held-out", heldOut != nil),
    ]
    if let (option, _) = (data == nil ? ofData : ofPrompts).first(where: { $0.1 }) {
      throw ValidationError("\(option) goes with \(data == nil ? "--data" : "--prompts")")
    }
  }

  /// Throws for numbers that no training can have.
  func settings() throws -> DistillationSettings {
    var settings = DistillationSettings(.text, beta: divergence ?? (data == nil ? 1 : 0))
    if data == nil {
      var samples = DistillationSettings.Samples()
      samples.promptsPerStep = promptsPerStep ?? samples.promptsPerStep
      samples.maxNewTokens = maxNewTokens ?? samples.maxNewTokens
      samples.ownShare = ownShare ?? samples.ownShare
      samples.temperature = temperature ?? samples.temperature
      settings.material = .samples(samples)
    }
    settings.lossTemperature = lossTemperature
    try settings.check()
    return settings
  }

  /// As `train sft` has them; nil where completions are drawn.
  var text: TextOptions? {
    guard let data else { return nil }
    var text = TextOptions()
    (text.data, text.heldOut, text.packing) = (data, heldOut, packing)
    (text.sequenceLength, text.batchSequences, text.batchRamp) = (sequenceLength ?? 512, batchSequences ?? 32, 0)
    return text
  }
}
