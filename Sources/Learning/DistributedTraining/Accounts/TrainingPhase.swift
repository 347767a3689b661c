import Telemetry

/// What a rank's main thread does at one moment of a training. Phases follow each other without a gap, so that those of
/// a step add up to it; the passes have accounts of their own by layer (`StepKind.forwardPass`).
package enum TrainingPhase: Int, CaseIterable, Sendable {
  /// Sampling completions, and judging them.
  case rollout, reward
  /// Reading the step's sequences.
  case data
  case forward, backward
  /// Adding up small numbers of all ranks: losses, loads, squares.
  case agreement
  /// Bringing sums of gradients to the owners of slices, who add them up.
  case reduction
  /// Squares of own gradients.
  case norm
  case update
  /// Bringing new weights to all ranks, and to where both passes see them.
  case gather
  /// Between steps: the loss of held-out data, and what steps wait for checkpoints.
  case score, checkpoint

  package var name: String { "\(self)" }
  /// Whether it belongs to a step.
  package var isOfStep: Bool { self != .score && self != .checkpoint }

  static let count = allCases.count
}

extension StepKind {
  /// A training's passes have the two places that an account has for steps, and the same phases.
  package static let forwardPass = StepKind.prefill
  package static let backwardPass = StepKind.decode
}

/// What one step took on one rank, in seconds.
package struct TrainingStepTime: Sendable, Equatable {
  package var wall = 0.0
  /// Of it, what the rank only communicated: it packed and unpacked messages, and waited for other ranks.
  package var communication = 0.0

  package init() {}
}
