import Training

/// How long a training is to take, and what it costs, from the arithmetic of all ranks and the part of it that is made
/// use of.
package struct TrainingForecast: Sendable, Equatable {
  /// Steps that are still to be taken, and tokens that they predict where sequences are full.
  package let steps: Int
  package let tokens: Double
  /// Of a token (`TrainingWork`).
  package let operations: Double
  /// Operations a second of all ranks together, and the part of it that is to be reached.
  package let peak: Double
  package let utilization: Double
  /// Hosts that are paid for.
  package let nodes: Int
  /// Seconds of a step in which ranks wait for messages, all of them.
  package var exchangeSeconds = 0.0

  package init(steps: Int, tokens: Double, operations: Double, peak: Double, utilization: Double, nodes: Int) {
    (self.steps, self.tokens, self.operations) = (max(0, steps), max(0, tokens), operations)
    (self.peak, self.utilization, self.nodes) = (peak, utilization, max(1, nodes))
  }

  /// Of the steps after the first `done`.
  package init(
    _ settings: TrainingSettings, done: Int, work: TrainingWork, peak: Double, utilization: Double, nodes: Int
  ) {
    let (batch, last) = (settings.batch, max(settings.steps, done))
    let sequences = batch.firstPosition(ofStep: last + 1) - batch.firstPosition(ofStep: done + 1)
    self.init(
      steps: last - done, tokens: Double(sequences) * Double(settings.sequenceLength), operations: work.operations,
      peak: peak, utilization: utilization, nodes: nodes)
  }

  /// Without scores of held-out data, and without checkpoints.
  package var seconds: Double {
    let rate = peak * utilization
    guard tokens > 0, steps > 0 else { return 0 }
    return rate > 0 ? tokens * operations / rate + Double(steps) * exchangeSeconds : .infinity
  }

  package var tokensPerSecond: Double { seconds > 0 ? tokens / seconds : 0 }

  /// What all of it costs.
  package func cost(_ rates: TrainingCost.Rates) -> TrainingCost {
    TrainingCost(tokens: tokens, nodeHours: seconds * Double(nodes) / 3600, rates)
  }
}
