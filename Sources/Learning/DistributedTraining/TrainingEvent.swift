/// What a training tells while it runs: on every rank at the same point, and the same but for times.
package enum TrainingEvent {
  case step(StepReport)
  /// A checkpoint is whole, so many seconds after it was begun; in the background, some steps later.
  case saved(step: Int, path: String, seconds: Double)
  case resumed(step: Int, path: String)
  /// There is too little memory to write checkpoints in the background: so many bytes of the rank that is worst off.
  case waitsForCheckpoints(needed: Int, available: Int)
}

package struct StepReport: Sendable {
  package let number: Int
  package let result: StepResult
  package let learningRate: Double
  /// Predicted since the training began.
  package let tokens: Int
  package let seconds: Double
  /// Of them, those in which this rank only communicated.
  package let communication: Double
  /// What held-out data say of the model after the step, where that was due.
  package internal(set) var heldOut: HeldOutScore?
  /// The step changed nothing; nil where it did.
  package let skipped: Skipped?
  /// What a step of reinforcement learning came to; nil for others.
  package let policy: PolicyReport?
  /// What a step of learning from a teacher came to; nil for others.
  package var distillation: DistillationReport?

  package struct Skipped: Sendable, Equatable {
    /// Steps that were, since the training began.
    package let count: Int
    package let reason: String
  }

  /// Mean −log p of held-out tokens, where that was looked for.
  package var heldOutLoss: Double? { if case .loss(let loss)? = heldOut { loss } else { nil } }

  package var tokensPerSecond: Double { seconds > 0 ? Double(result.predicted) / seconds : 0 }
}
