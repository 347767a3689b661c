import MoEModel

/// An optimiser as users name it.
package enum OptimizerKind: String, Sendable, CaseIterable {
  case adamW = "adamw"
  /// Matrices by Muon; embedding, head, routers, rates of gated DeltaNet, norms and biases by AdamW.
  case muon
}

/// Numbers that are kept of each element of a parameter, by the names they have in files.
package enum StatePart: String, Sendable, CaseIterable {
  /// The parameter itself, in fp32.
  case master
  /// AdamW's averages of gradients and of their squares.
  case firstMoment = "first_moment"
  case secondMoment = "second_moment"
  /// Muon's sum of gradients.
  case momentum
}

/// Who updates a parameter.
package enum UpdateRule: Sendable, Equatable {
  case adamW, muon
  /// The router's selection bias: by the experts' loads, not by a gradient.
  case balance
  /// Nobody: the choice that an indexer makes, or a table, has no gradient. It keeps what it began with.
  case frozen

  /// Whether a gradient updates it.
  package var learns: Bool { self == .adamW || self == .muon }

  package var parts: [StatePart] {
    switch self {
    case .adamW: [.master, .firstMoment, .secondMoment]
    case .muon: [.master, .momentum]
    case .balance, .frozen: [.master]
    }
  }
}

extension OptimizerKind {
  /// Who updates a parameter, from its role.
  package func rule(of spec: ParameterSpec) -> UpdateRule {
    if spec.role == .selectionBias { return .balance }
    if spec.role.isOfIndexer || spec.role == .tokenExperts { return .frozen }
    guard self == .muon, spec.isMatrix else { return .adamW }
    switch spec.role {
    case .embedding, .head, .prediction(.embedding), .prediction(.head), .router, .sharedGate,
      .delta(.beta), .delta(.decay):
      return .adamW
    default: return .muon
    }
  }
}

extension ParameterSpec {
  /// Whether weight decay draws it towards 0: matrices, and not norms, biases and sinks.
  package var decays: Bool { isMatrix }
}
