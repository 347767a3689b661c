import ArgumentParser
import DistributedTraining
import Reinforcement
import Training

/// `martinet train grpo`: reinforcement learning of checkable answers.
struct TrainGRPO: TrainingCommand {
  static let words = ["train", "grpo"]
  static let kind = TrainingKind.policy

  static let configuration = CommandConfiguration(
    commandName: "grpo", abstract: "Train by trial and error: answers that can be checked.",
    discussion: """
      martinet train grpo --model DIR --prompts prompts.jsonl --reward numeric,format=0.1 --out OUT --steps 100
      mpirun -n 4 martinet train grpo --model DIR --prompts prompts.jsonl --reward exact --out OUT --steps 100 --resume

      Each step samples completions of some prompts with the model as it is, has them judged, and makes those more
      probable that are better than others of their prompt. One engine samples and learns: a token's probability has the
      same bits in both, so the first ratio is exactly 1 (max_log_ratio 0). All else is as train pretrain has it:
      folders, exactness, checkpoints, reports. A training that is stopped while it samples goes on from the tokens it
      has.
      """)

  @Option(name: .customLong("model"), help: ArgumentHelp("The model that is trained further.", valueName: "dir"))
  var source: String
  @OptionGroup var template: TemplateOptions
  @OptionGroup var policy: PolicyOptions
  @OptionGroup var options: TrainingRunOptions

  var model: String? { source }

  func settings() throws -> TrainingSettings {
    let policy = try policy.policy()
    return try options.training.settings(
      Self.kind, sequenceLength: policy.maxNewTokens,
      batch: try BatchRamp(constant: policy.completionCount / policy.objective.updates),
      peakRate: self.policy.preset?.values.learningRate)
  }

  func material() throws -> any TrainingMaterial { try PolicyMaterial(policy, model: source, options.training) }

  func beginning(_ settings: TrainingSettings) throws -> TrainingStart {
    try .from(model: source, template: template, spread: options.training.spread, settings)
  }
}
