/// What a rank's main thread does at one moment of a step. Phases follow each other without a gap, so that they add up
/// to the step.
package enum Phase: Int, CaseIterable, Sendable {
  /// Deciding the step, and passing the plan from rank 0 to all.
  case plan
  case embedding
  case attention
  /// A feed-forward layer without experts.
  case dense
  /// The norm before the experts, and the router.
  case gate
  /// Sorting tokens by destination, writing messages, starting to send them.
  case pack
  /// The shared expert of own tokens, while messages travel.
  case shared
  /// Waiting for other ranks' tokens.
  case dispatch
  /// Checking what arrived and sorting it.
  case unpack
  /// The routed experts.
  case experts
  /// Waiting for expert outputs, or for columns of rows that ranks share out.
  case combine
  /// Adding up expert outputs, the shared expert and the residual.
  case merge
  case head
  case sampling
  /// Bringing the step's tokens to rank 0.
  case outcome

  package var name: String { "\(self)" }

  /// Whether a rank does nothing else meanwhile but communicate; of a run of several ranks.
  package var isCommunication: Bool {
    switch self {
    case .plan, .pack, .dispatch, .unpack, .combine, .outcome: true
    default: false
    }
  }

  package static let count = allCases.count
}

/// What a step is for: prompts (some, at least), or only the continuation of sequences.
package enum StepKind: Int, CaseIterable, Sendable {
  case prefill, decode

  package var name: String { "\(self)" }
}
