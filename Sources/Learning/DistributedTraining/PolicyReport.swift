/// What a step of reinforcement learning came to; the same on every rank but for times.
package struct PolicyReport: Sendable {
  /// Mean reward of the completions, and by rule before its weight.
  package var reward = 0.0
  package var parts: [(name: String, value: Double)] = []
  /// Completions sampled; those that are right, give no answer, and were cut off.
  package var count = 0
  /// Those that were judged right or not.
  package var graded = 0
  package var right = 0
  package var noAnswer = 0
  package var cut = 0
  /// Tokens sampled.
  package var sampledTokens = 0
  /// Tokens of their prompts, and of these (with what earlier runs sampled) those that were computed; on rank 0.
  package var promptTokens = 0
  package var promptTokensRead = 0
  /// −Σ p log p, a mean over the tokens that were learnt.
  package var entropy = 0.0
  /// The greatest |log π(rollout) − log π(training)| of a token in the first update: 0 where both have the same bits.
  package var maxLogRatio = 0.0
  /// Groups whose rewards differ, of all.
  package var signalGroups = 0
  package var groups = 0
  /// Tokens whose ratio was clipped, of those learnt.
  package var clippedShare = 0.0
  /// Mean estimate of KL(policy ‖ reference) of a token; nil without a reference.
  package var referenceKL: Double?
  /// Of tokens and layers, the part that chose other experts after the update than in the rollout; nil where nobody
  /// looked.
  package var changedRoutes: Double?
  /// Updates of the model in the step.
  package var updates = 0
  package var rolloutSeconds = 0.0
  package var rewardSeconds = 0.0
  package var updateSeconds = 0.0
  /// Tokens that went through forward and backward passes.
  package var trainedTokens = 0
  /// Some of the completions.
  package var transcripts: [PolicyTranscript] = []

  package init() {}

  package var accuracy: Double { count > 0 ? Double(right) / Double(count) : 0 }
  package var meanLength: Double { count > 0 ? Double(sampledTokens) / Double(count) : 0 }
  package var rolloutTokensPerSecond: Double { rolloutSeconds > 0 ? Double(sampledTokens) / rolloutSeconds : 0 }
  package var updateTokensPerSecond: Double { updateSeconds > 0 ? Double(trainedTokens) / updateSeconds : 0 }
}

/// A completion, to be read by people.
package struct PolicyTranscript: Sendable, Equatable {
  package var prompt: String
  package var completion: String
  /// What would be right; nil where nothing was given.
  package var answer: String?
  package var outcome: String?
  package var isCut: Bool
  package var reward: Double
  package var advantage: Double
  package var tokenCount: Int

  package init(
    prompt: String, completion: String, answer: String?, outcome: String?, isCut: Bool, reward: Double,
    advantage: Double, tokenCount: Int
  ) {
    (self.prompt, self.completion, self.answer, self.outcome) = (prompt, completion, answer, outcome)
    (self.isCut, self.reward, self.advantage, self.tokenCount) = (isCut, reward, advantage, tokenCount)
  }
}
