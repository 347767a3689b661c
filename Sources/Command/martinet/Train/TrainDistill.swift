import ArgumentParser
import Checkpoints
import Distillation
import DistributedTraining
import Training

/// `martinet train distill`: learning from another model.
struct TrainDistill: TrainingCommand {
  static let words = ["train", "distill"]
  static let kind = TrainingKind.distillation

  static let configuration = CommandConfiguration(
    commandName: "distill", abstract: "Train on what another model says, token by token.",
    discussion: """
      martinet train distill --teacher DIR --model DIR --prompts prompts.jsonl --out OUT --steps 120
      martinet train distill --teacher DIR --shape config.json --data conversations.jsonl --out OUT --steps 500

      Teacher and student may be of any families and sizes; their tokenizers must be the same. With --prompts the
      student samples completions as it is, and learns at each of their tokens the teacher's whole distribution
      (on-policy distillation); --own-share gives a part of the completions to the teacher. With --data it learns that
      of text that there is. Teacher and student lie in the same memory; of the teacher's pass only its last hidden rows are kept.
      The loss that is told is the mean divergence of a token. All else is as train pretrain has it: folders, exactness,
      checkpoints, reports.
      """)

  @Option(
    help: ArgumentHelp("The settings of a new student, which gets the teacher's tokenizer.", valueName: "config.json"))
  var shape: String?
  @Option(help: ArgumentHelp("The student: a model that is trained further.", valueName: "dir"))
  var model: String?
  @OptionGroup var template: TemplateOptions
  @OptionGroup var distillation: DistillationOptions
  @OptionGroup var options: TrainingRunOptions

  func validate() throws {
    guard (shape == nil) != (model == nil) else { throw ValidationError("give one of --shape and --model") }
    guard options.training.zLoss == 0 else {
      throw ValidationError("--z-loss is not for learning from a teacher, whose distribution is all that is learnt")
    }
  }

  func settings() throws -> TrainingSettings {
    let (training, peak) = (options.training, shape == nil ? nil : TrainingKind.pretrain.learningRate)
    if let text = distillation.text {
      return try training.settings(
        Self.kind, sequenceLength: text.sequences.sequenceLength, batch: try text.batch(), peakRate: peak)
    }
    guard case .samples(let samples) = try distillation.settings().material else {
      preconditionFailure("neither text nor prompts")
    }
    return try training.settings(
      Self.kind, sequenceLength: samples.maxNewTokens, batch: try BatchRamp(constant: samples.promptsPerStep),
      peakRate: peak)
  }

  func material() throws -> any TrainingMaterial {
    try DistillationMaterial(distillation, model: model, seed: options.training.seed)
  }

  func beginning(_ settings: TrainingSettings) throws -> TrainingStart {
    let spread = options.training.spread
    if let model { return try .from(model: model, template: template, spread: spread, settings) }
    return try .from(
      shape: shape ?? "", tokenizer: try ModelLocation.resolve(distillation.teacher), template: template,
      spread: spread, settings)
  }
}
