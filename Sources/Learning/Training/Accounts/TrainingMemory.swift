import MoEModel

/// What a rank holds while it trains, in bytes by part, from the table of parameters alone.
///
/// Routed experts lie with their owner. Of all else each rank has the weights, and a slice of masters and of what the
/// optimiser keeps.
package struct TrainingMemory: Sendable, Equatable {
  /// fp32 weights that optimisers change.
  package private(set) var masters = 0
  /// Moments or momentum.
  package private(set) var optimizer = 0
  /// Matrices in bf16, once for the forward pass and once turned for the backward pass; vectors in fp32.
  package private(set) var weights = 0
  /// fp32 gradients: of own experts, and of all that every rank has.
  package private(set) var gradients = 0
  /// Each layer's input rows, which are all that recomputation needs: fp32, of the rank's own tokens.
  package private(set) var layerInputs = 0

  package var total: Int { masters + optimizer + weights + gradients + layerInputs }

  /// Of the busiest of `rankCount` ranks, which owns a layer's experts in equal parts, one more where they do not divide.
  /// `tokens`: of its own in a step.
  package init(_ plan: SavePlan, _ description: DecoderDescription, rankCount: Int, tokens: Int) {
    let ranks = max(1, rankCount)
    let owned = ((description.mixture?.expertCount ?? 0) + ranks - 1) / ranks
    for parameter in plan.parameters {
      // Experts of a layer are alike: the first ones stand for those owned.
      if let expert = parameter.spec.expert, expert >= owned { continue }
      let count = parameter.spec.elementCount
      let slice = parameter.spec.expert == nil ? (count + ranks - 1) / ranks : count
      masters += slice * 4
      optimizer += slice * 4 * (parameter.rule.parts.count - 1)
      weights += count * 4
      if parameter.rule != .balance { gradients += count * 4 }
    }
    layerInputs = tokens * description.layerCount * description.hiddenSize * 4
  }
}
