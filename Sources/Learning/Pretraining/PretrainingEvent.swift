/// What a training tells while it runs: on every rank at the same point, and the same but for times.
package enum PretrainingEvent {
  case step(StepReport)
  case saved(step: Int, path: String, seconds: Double)
  case resumed(step: Int, path: String)
}

package struct StepReport: Sendable {
  package let number: Int
  package let result: StepResult
  package let learningRate: Double
  /// Predicted since the training began.
  package let tokens: Int
  package let seconds: Double
  /// Mean −log p of held-out tokens after the step, where it was due.
  package let heldOutLoss: Double?

  package var tokensPerSecond: Double { seconds > 0 ? Double(result.predicted) / seconds : 0 }
}
