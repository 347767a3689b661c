/// What became of one answer.
package enum Outcome: String, Sendable, CaseIterable {
  case right, wrong
  /// Empty, cut off before it was whole, or a refusal.
  case noAnswer = "no_answer"
  /// It could not be had: the request failed.
  case error
  /// It could be had, and nobody could say what it is: a judge's verdict that is none.
  case unscored

  /// Whether it counts among the n of an accuracy.
  package var isCounted: Bool { self != .error && self != .unscored }
}

/// What a grader says of an answer, and by which of its rules.
package struct Verdict: Sendable, Equatable {
  package var outcome: Outcome
  /// In few words, such as `last number` or `refusal: i don't know`.
  package var rule: String
  /// What of the answer was compared, in a form in which equal ones are equal text; nil where nothing was found.
  package var extracted: String?
  /// The answer ended because it had all the tokens it might have.
  package var isCut = false

  package init(_ outcome: Outcome, rule: String, extracted: String? = nil, isCut: Bool = false) {
    (self.outcome, self.rule, self.extracted, self.isCut) = (outcome, rule, extracted, isCut)
  }
}
