import ArgumentParser
import DistributedTraining
import Gradients
import Training

/// What `plan --train` is told of a training.
struct TrainingPlanOptions: ParsableArguments {
  @Flag(help: "Plan a training instead of a run; the options from here on belong to it.") var train = false
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens to be trained on, such as 20e9.", valueName: "n"))
  var tokens: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens that a sequence predicts.", valueName: "tokens"))
  var sequenceLength = 4096
  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences of a step, over all ranks.", valueName: "n"))
  var batchSequences = 1024
  @Option(help: ArgumentHelp("adamw, or muon.", valueName: "adamw|muon")) var optimizer = OptimizerKind.adamW
  @Option(parsing: .unconditional, help: ArgumentHelp("Checkpoints that are kept.", valueName: "n")) var keep = 2
  @Flag(help: "Keep each layer's input only and compute the rest again: less memory, a third more time.")
  var recompute = false
  @Flag(help: "The model samples the sequences that it learns from, all of a step at once, as in train grpo.")
  var rollouts = false
  @Option(
    help: ArgumentHelp(
      "A model that is asked beside the one in training: a teacher, or train grpo's reference.",
      valueName: "dir|config.json"))
  var teacher: String?
  @Option(
    help: ArgumentHelp(
      "What operands of products are rounded to, as in training: it decides memory, and the operations of a node.",
      valueName: "f32|bf16"))
  var products = ProductPrecision.float32
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Train a multi-token prediction module too, whatever the weight of its loss, as in training: a layer, its \
      projection and the head once more. 0 for none.
      """,
      valueName: "λ"))
  var predictionLoss = 0.0
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The part of a node's operations (--arithmetic), in what products are computed in, that training makes use \
      of; `train pretrain --dry-run` measures it on a node. (default: \(UtilizationProbe.assumed); with --products \
      bf16 \(UtilizationProbe.assumed(.bfloat16)))
      """,
      valueName: "0…1"))
  var mfu: Double?
  @OptionGroup var node: NodeRates

  /// `mfu`, or what is assumed.
  var utilization: Double { mfu ?? UtilizationProbe.assumed(products) }

  func validate() throws {
    guard train else {
      for (name, isGiven) in [("tokens", tokens != nil), ("rollouts", rollouts), ("teacher", teacher != nil)]
      where isGiven {
        throw ValidationError("--\(name) goes with --train")
      }
      return
    }
    guard let tokens else { throw ValidationError("--train needs --tokens: how many tokens to train on, such as 20e9") }
    try require("tokens", tokens, in: 1...1e18)
    try require("sequence-length", sequenceLength, in: 1...(1 << 24))
    try require("batch-sequences", batchSequences, in: 1...(1 << 20))
    try require("keep", keep, in: 1...(1 << 20))
    guard predictionLoss.isFinite, predictionLoss >= 0 else {
      throw ValidationError("--prediction-loss must be 0 or more")
    }
    guard utilization > 0, utilization <= 1 else { throw ValidationError("--mfu must be above 0 and at most 1") }
  }
}
