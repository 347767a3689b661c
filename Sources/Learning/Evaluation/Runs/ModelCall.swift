/// What a task asks of a model, in text.
package enum ModelCall: Sendable, Equatable {
  /// Continue a prompt, as `settings` say; `seed` is of the sampling.
  case generate(prompt: String, settings: GenerationSettings, seed: UInt64)
  /// How probable each continuation is after the context.
  case score(context: String, continuations: [String])
  /// How probable a whole text is.
  case measure(text: String)
}

/// What came of it.
package enum ModelReply: Sendable, Equatable {
  /// `text` is all that was written up to a stop string. `isCut`: the model had all the tokens it might have.
  /// `logprob`: of its tokens together, nil where that is not told.
  case text(String, tokenCount: Int, isCut: Bool, logprob: Double?)
  case scores([ContinuationScore])
  /// Negative log-likelihood of a text's tokens, and how many of them were predicted.
  case measure(nats: Double, tokenCount: Int)
  case failed(String)

  /// Why a call failed that was not answered when the user wanted to stop.
  package static let interruption = "interrupted"
}

/// How probable a model finds one continuation.
package struct ContinuationScore: Sendable, Equatable {
  /// Σ log p of its tokens.
  package var logprob: Double
  package var tokenCount: Int
  /// Each of them is the most probable one.
  package var isGreedy: Bool

  package init(logprob: Double, tokenCount: Int, isGreedy: Bool) {
    (self.logprob, self.tokenCount, self.isGreedy) = (logprob, tokenCount, isGreedy)
  }
}
