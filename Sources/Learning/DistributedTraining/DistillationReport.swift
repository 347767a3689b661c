/// What a step of learning from a teacher came to, beside its loss, which is the mean divergence of a token; the same
/// on every rank but for times.
package struct DistillationReport: Sendable, Equatable {
  /// Of the student, −Σ p log p, a mean over the tokens that were learnt.
  package var entropy = 0.0
  /// The student's mean −log p of these tokens.
  package var crossEntropy = 0.0
  /// Completions sampled, and those of them that are the student's own.
  package var completions = 0
  package var ownCompletions = 0
  /// Those that had as many tokens as they might have.
  package var cut = 0
  package var sampledTokens = 0
  package var rolloutSeconds = 0.0
  /// What the teacher's pass over the step's sequences took.
  package var teacherSeconds = 0.0

  package init() {}

  package var meanLength: Double { completions > 0 ? Double(sampledTokens) / Double(completions) : 0 }
  package var rolloutTokensPerSecond: Double { rolloutSeconds > 0 ? Double(sampledTokens) / rolloutSeconds : 0 }
}
