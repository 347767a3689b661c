import Evaluation

/// What a completion is worth.
package struct RewardVerdict: Sendable, Equatable {
  /// The weighted sum of `parts`.
  package var reward: Double
  /// What became of the answer; nil where nobody was asked whether it is right.
  package var outcome: Outcome?
  /// Each rule's value before its weight, in the order of the rules.
  package var parts: [Part]

  package struct Part: Sendable, Equatable {
    package var name: String
    package var value: Double

    package init(name: String, value: Double) { (self.name, self.value) = (name, value) }
  }

  package init(reward: Double, outcome: Outcome?, parts: [Part]) {
    (self.reward, self.outcome, self.parts) = (reward, outcome, parts)
  }
}
