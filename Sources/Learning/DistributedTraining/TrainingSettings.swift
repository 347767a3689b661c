import Gradients
import JSON
import Training

/// All that decides about a training's numbers, and what is kept of it.
package struct TrainingSettings: Sendable {
  package var steps: Int
  package var sequenceLength: Int
  package var batch: BatchRamp
  package var seed: UInt64 = 0
  package var optimizer = OptimizerKind.adamW
  package var learningRate: Schedule
  package var balanceSpeed: Schedule
  /// α of the sequence balance loss.
  package var balanceLoss = 0.0
  /// λ of multi-token prediction; nil for a training without.
  package var predictionLoss: Schedule?
  package var headZLoss = 0.0
  package var routerZLoss = 0.0
  package var clip: Double? = 1
  /// Of the learning rate of routers, over that of all else.
  package var routerRate = 1.0
  package var adamW = AdamW()
  package var muon = Muon()
  /// What products' operands are rounded to: the model must be held so.
  package var products = ProductPrecision.float32
  /// Whether stages are computed again for the backward pass; changes no number.
  package var recomputes = false
  /// Where checkpoints go.
  package var folder: String
  package var saveEvery: Int
  package var keep: Int
  /// Of every so many steps the last model is kept for longer; 0 for none.
  package var pinEvery = 0
  /// What a new training begins with is saved as step 0.
  package var savesInitial = false
  package var resumes = false
  /// When checkpoints are written; nil for in the background where memory allows.
  package var checkpoints: CheckpointMode?
  package var badSteps = BadStepPolicy()
  /// All that a user said, as it can be said again: written beside the checkpoints.
  package var options: JSONValue?
  /// Held-out data are scored every so many steps, and at the end.
  package var scoreEvery: Int

  package init(
    steps: Int, sequenceLength: Int, batch: BatchRamp, learningRate: Schedule, balanceSpeed: Schedule, folder: String,
    saveEvery: Int, keep: Int, scoreEvery: Int
  ) {
    (self.steps, self.sequenceLength, self.batch) = (steps, sequenceLength, batch)
    (self.learningRate, self.balanceSpeed, self.folder) = (learningRate, balanceSpeed, folder)
    (self.saveEvery, self.keep, self.scoreEvery) = (saveEvery, keep, scoreEvery)
  }

  /// Throws for numbers that no training can have.
  package func check() throws {
    try adamW.check()
    try muon.check()
    try GradientNorm.check(maximum: clip)
    try badSteps.check()
    for (what, value) in [
      ("the balance loss's factor", balanceLoss), ("the head's z-loss", headZLoss),
      ("the routers' z-loss", routerZLoss), ("the routers' part of the learning rate", routerRate),
    ] where !(value >= 0 && value.isFinite) {
      throw TrainingError.badOption(what, "\(value)", "give a number that is not negative")
    }
    for (what, value) in [("the number of steps", steps), ("steps between checkpoints", saveEvery)] where value < 1 {
      throw TrainingError.badOption(what, "\(value)", "give at least 1")
    }
  }

  /// What must be the same when a training goes on: all that its numbers depend on.
  package var recipe: JSONValue {
    let recipe: JSONValue = [
      "steps": .int(steps), "sequence_length": .int(sequenceLength),
      "batch": [
        "first": .int(batch.first), "last": .int(batch.last), "steps": .int(batch.steps),
        "multiple": .int(batch.multiple),
      ],
      "learning_rate": learningRate.json, "balance_speed": balanceSpeed.json, "balance_loss": .double(balanceLoss),
      "products": .string(products.rawValue), "prediction_loss": predictionLoss?.json ?? .null,
      "head_z_loss": .double(headZLoss), "router_z_loss": .double(routerZLoss),
      "clip": clip.map { .double($0) } ?? .null,
      "adamw": [
        "beta1": .double(adamW.beta1), "beta2": .double(adamW.beta2), "epsilon": .double(adamW.epsilon),
        "decay": .double(adamW.decay),
      ],
      "muon": ["momentum": .double(muon.momentum), "decay": .double(muon.decay), "scale": .double(muon.scale)],
    ]
    // Trainings from before it was there go on.
    guard routerRate != 1, var object = recipe.object else { return recipe }
    object["router_rate"] = .double(routerRate)
    return .object(object)
  }
}
