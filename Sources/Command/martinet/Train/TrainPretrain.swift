import ArgumentParser
import DistributedTraining

/// `martinet train pretrain`: next tokens of text, from a shape or from a model.
struct TrainPretrain: TrainingCommand {
  static let words = ["train", "pretrain"]
  static let kind = TrainingKind.pretrain

  static let configuration = CommandConfiguration(
    commandName: "pretrain", abstract: "Train on text: the next token from those before it.",
    discussion: """
      martinet train pretrain --shape config.json --tokenizer DIR --data text.jsonl --out OUT --steps 1000
      mpirun -n 4 martinet train pretrain --model DIR --data text.jsonl --out OUT --steps 1000 --resume

      OUT/step-NNNNNN is a folder that martinet and transformers load, OUT/state-NNNNNN what a training goes on from,
      OUT/latest names the last whole one. The same data, seed and steps give the same weights, bit for bit, on any
      number of ranks and threads, stopped and resumed or not. Weights are kept in fp32 and computed with as they are
      exported, in bf16.
      """)

  @Option(help: ArgumentHelp("The settings of a new model, as in config.json.", valueName: "config.json"))
  var shape: String?
  @Option(help: ArgumentHelp("A folder whose tokenizer the new model gets.", valueName: "dir"))
  var tokenizer: String?
  @Option(help: ArgumentHelp("Go on with this model's weights.", valueName: "dir"))
  var model: String?
  @OptionGroup var text: TextOptions
  @OptionGroup var options: TrainingRunOptions

  func validate() throws {
    guard (shape == nil) != (model == nil) else { throw ValidationError("give one of --shape and --model") }
    guard model == nil || tokenizer == nil else {
      throw ValidationError("--tokenizer goes with --shape: a --model has its own")
    }
  }

  func settings() throws -> TrainingSettings {
    try options.training.settings(Self.kind, sequenceLength: text.sequences.sequenceLength, batch: try text.batch())
  }

  func material() -> any TrainingMaterial { TextMaterial(text, Self.kind, seed: options.training.seed) }

  func beginning(_ settings: TrainingSettings) throws -> TrainingStart {
    let spread = options.training.spread
    if let model { return try .from(model: model, spread: spread, settings) }
    return try .from(shape: shape ?? "", tokenizer: tokenizer, spread: spread, settings)
  }
}
