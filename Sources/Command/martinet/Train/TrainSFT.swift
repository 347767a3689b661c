import ArgumentParser
import DistributedTraining

/// `martinet train sft`: supervised fine-tuning, the answers of conversations.
struct TrainSFT: TrainingCommand {
  static let words = ["train", "sft"]
  static let kind = TrainingKind.conversations

  static let configuration = CommandConfiguration(
    commandName: "sft", abstract: "Train on conversations: what the assistant says.",
    discussion: """
      martinet train sft --model DIR --data conversations.jsonl --out OUT --steps 200
      mpirun -n 4 martinet train sft --model DIR --data conversations.jsonl --out OUT --steps 200 --resume

      A line of --data is {"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}, with
      "tools" where there are some. The model's chat template lays it out; only the assistant's words are learnt, after
      exactly what the model would be asked. All else is as train pretrain has it: folders, exactness, checkpoints,
      reports.
      """)

  @Option(name: .customLong("model"), help: ArgumentHelp("The model that is trained further.", valueName: "dir"))
  var source: String
  @OptionGroup var template: TemplateOptions
  @OptionGroup var text: TextOptions
  @OptionGroup var options: TrainingRunOptions

  var model: String? { source }

  func settings() throws -> TrainingSettings {
    try options.training.settings(Self.kind, sequenceLength: text.sequences.sequenceLength, batch: try text.batch())
  }

  func material() -> any TrainingMaterial { TextMaterial(text, Self.kind, seed: options.training.seed) }

  func beginning(_ settings: TrainingSettings) throws -> TrainingStart {
    try .from(model: source, template: template, spread: options.training.spread, settings)
  }
}
