import MoEModel
import Training

/// The least that ranks must send one another in reductions of a training, in bytes of all ranks together: each number
/// that all ranks compute with comes once from every rank that adds to it, and once to every rank.
package struct TrainingTraffic: Sendable, Equatable {
  package var leastSumBytes = 0
  package var leastGatherBytes = 0

  package init() {}

  /// Adds sums of a step in which so many ranks have sequences.
  mutating func addSums(_ parameters: [TrainedParameter], contributors: Int) {
    for parameter in parameters where parameter.spec.expert == nil && parameter.rule.learns {
      leastSumBytes += max(0, contributors - 1) * parameter.spec.elementCount * 4
    }
  }

  /// Adds new weights of a step.
  mutating func addGather(_ parameters: [TrainedParameter], ranks: Int) {
    for parameter in parameters where parameter.spec.expert == nil {
      leastGatherBytes += (ranks - 1) * parameter.spec.elementCount * (parameter.isRounded ? 2 : 4)
    }
  }
}
