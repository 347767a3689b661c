import ArgumentParser
import DistributedTraining
import Gradients
import Training

/// What decides about a training's numbers, and what is kept of it.
struct TrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where checkpoints go.", valueName: "dir"))
  var out: String

  @Option(parsing: .unconditional, help: "Steps in all.")
  var steps: Int

  @Option(parsing: .unconditional, help: "Of initial weights and of the order of data.")
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "adamw, or muon: matrices by Muon, all else by AdamW.", valueName: "adamw|muon"))
  var optimizer = OptimizerKind.adamW

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The learning rate's peak. (default: 3e-4; sft, and distill of a model: 2e-5; grpo: 3e-6, or its preset's)",
      valueName: "rate"))
  var learningRate: Double?

  @Option(help: "The learning rate's shape after its warm-up: wsd, cosine, linear or constant.")
  var schedule = LearningRateShape.warmupStableDecay

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps in which the rate rises. (default: a hundredth of all, at most 2000)", valueName: "steps")
  )
  var warmupSteps: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("The last rate, as a part of the peak.", valueName: "0…1"))
  var finalRate = 0.1

  @Option(parsing: .unconditional, help: ArgumentHelp("The part of the steps in which wsd decays.", valueName: "0…1"))
  var decayShare = 0.5

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("By how much matrices are drawn to zero. (default: 0.1; grpo: 0)", valueName: "λ"))
  var weightDecay: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Of the learning rate of routers, over that of all else.", valueName: "factor"))
  var routerRate = 1.0

  @Option(parsing: .unconditional, help: ArgumentHelp("The longest gradient; 0 for any.", valueName: "norm"))
  var clip = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      By how much a step moves the selection bias of experts with too few or too many tokens. (default: 0.001; \
      pretrain alone, else 0)
      """,
      valueName: "γ"))
  var balanceSpeed: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The part of the steps, the last, in which the selection bias rests.", valueName: "0…1"))
  var balanceRest = 0.03

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "α of the balance loss of each sequence. (default: 0.0001; pretrain alone, else 0)", valueName: "α"))
  var balanceLoss: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      λ of multi-token prediction, a third of it in the last third of the steps: a module that guesses the token \
      after the next is trained along. 0 for none.
      """,
      valueName: "λ"))
  var predictionLoss = 0.0

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Of the square of log Σ e^logit of the head.", valueName: "factor"))
  var zLoss = 0.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Standard deviation of a new model's matrices. (default: 0.6 / √columns of each)", valueName: "σ"))
  var initialDeviation: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps from one score of --held-out to the next. (default: --save-every)", valueName: "steps"))
  var scoreEvery: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Steps from one checkpoint to the next.", valueName: "steps"))
  var saveEvery = 500

  @Option(parsing: .unconditional, help: ArgumentHelp("Checkpoints that are kept.", valueName: "n"))
  var keep = 2

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps of which a line tells; with --json each has one. (default: some two hundred lines in all)",
      valueName: "steps"))
  var logEvery: Int?

  @Option(
    help: ArgumentHelp(
      "What operands of products are rounded to, forward, backward and in Muon; sums are fp32, and routers always.",
      valueName: "f32|bf16"))
  var products = ProductPrecision.float32

  @Flag(
    help:
      """
      Keep each layer's input only and compute the rest again for the backward pass: less memory, about a quarter \
      more time, the same bits.
      """
  )
  var recompute = false

  @Flag(help: "Save what a new training begins with, too, as step-000000.")
  var saveInitial = false

  @Flag(help: "Go on from the last checkpoint in --out; without one, begin.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      """
      Write checkpoints while the next steps compute, from a copy of all that is kept of the model, or before the \
      next step. (default: background, where the memory is there)
      """,
      valueName: "background|waiting"))
  var checkpoints: CheckpointMode?

  @Option(
    help: ArgumentHelp(
      """
      What a step does whose loss or gradient is no number, or a spike: end the training, or change nothing but \
      the place in the data.
      """,
      valueName: "stop|skip"))
  var onBadStep = BadStepPolicy.Action.stop

  @Option(parsing: .unconditional, help: ArgumentHelp("Steps skipped in a row at most.", valueName: "n"))
  var skipLimit = 10

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      A loss or gradient of more than so many times the median of the last 32 steps is a spike, and its step a bad \
      one; 0 for none.
      """,
      valueName: "factor"))
  var spikeFactor = 0.0

  var spread: InitialSpread { initialDeviation.map { .constant($0) } ?? .standard }

  /// Steps of a line of the table.
  var linesEvery: Int { logEvery ?? TrainingTable.every(ofSteps: steps) }

  func validate() throws {
    if let logEvery, logEvery < 1 { throw ValidationError("--log-every \(logEvery) is not at least 1") }
  }

  /// Throws for numbers that no training can have. `peakRate`: the learning rate's where none is given.
  func settings(
    _ kind: TrainingKind, sequenceLength: Int, batch: BatchRamp, peakRate: Double? = nil
  ) throws -> TrainingSettings {
    let warmup = warmupSteps ?? min(2000, steps / 100)
    var settings = TrainingSettings(
      steps: steps, sequenceLength: sequenceLength, batch: batch,
      learningRate: try .learningRate(
        peak: learningRate ?? peakRate ?? kind.learningRate, shape: schedule, stepCount: steps, warmupSteps: warmup,
        finalShare: finalRate,
        decayShare: decayShare),
      balanceSpeed: try .balance(speed: balanceSpeed ?? kind.balanceSpeed, stepCount: steps, frozenShare: balanceRest),
      folder: out,
      saveEvery: saveEvery, keep: keep, scoreEvery: scoreEvery ?? saveEvery)
    (settings.seed, settings.optimizer, settings.resumes) = (seed, optimizer, resume)
    settings.savesInitial = saveInitial
    let decay = weightDecay ?? kind.weightDecay
    (settings.adamW.decay, settings.muon.decay) = (decay, decay)
    settings.clip = clip == 0 ? nil : clip
    (settings.balanceLoss, settings.headZLoss) = (balanceLoss ?? kind.balanceLoss, zLoss)
    (settings.recomputes, settings.products) = (recompute, products)
    if predictionLoss != 0 {
      settings.predictionLoss = try .predictionWeight(
        first: predictionLoss, until: steps - steps / 3, then: predictionLoss / 3)
    }
    (settings.checkpoints, settings.routerRate) = (checkpoints, routerRate)
    settings.badSteps.action = onBadStep
    (settings.badSteps.mostInRow, settings.badSteps.spikeFactor) = (skipLimit, spikeFactor)
    try settings.check()
    return settings
  }
}

extension OptimizerKind: ExpressibleByArgument {}
extension LearningRateShape: ExpressibleByArgument {}
extension ProductPrecision: ExpressibleByArgument {}
extension CheckpointMode: ExpressibleByArgument {}
extension BadStepPolicy.Action: ExpressibleByArgument {}
