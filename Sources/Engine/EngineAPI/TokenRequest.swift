import JSON

/// Names one request between whoever takes requests and whoever computes tokens.
package struct RequestID: Hashable, Comparable, Sendable {
  package let value: Int
  package init(_ value: Int) { self.value = value }
  package static func < (a: RequestID, b: RequestID) -> Bool { a.value < b.value }
}

/// One sequence to be continued, in token ids.
package struct TokenRequest: Sendable, Equatable {
  package var id: RequestID
  package var prompt: [Int32]
  /// Tokens sampled before, by an engine that is gone: the sequence goes on after them, exactly as it would have.
  package var sampled: [Int32] = []
  /// Most tokens to sample, those of `sampled` among them.
  package var maxNewTokens: Int
  package var sampling = SamplingParameters()
  /// A token of these ends the sequence, and is reported.
  package var stopTokens: Set<Int32> = []
  /// What to tell of each token that is sampled.
  package var details = TokenDetails()
  /// Report the log-probability of every prompt token after the first, and this many of the most probable ones; nil for
  /// none. Nothing need be sampled then: `maxNewTokens` may be 0.
  package var promptLogprobs: Int?
  /// Report the prompt's hidden states as one vector, and sample nothing: `maxNewTokens` is 0.
  package var pooling: Pooling?
  /// Added to these tokens' logits before anything else.
  package var logitBias: [Int32: Float] = [:]
  /// What the output must look like: the JSON form of `StructuredOutput.OutputGrammar`.
  package var grammar: JSONValue?

  /// A prompt of token ids, after which at most `maxNewTokens` tokens are sampled.
  package init(id: RequestID, prompt: [Int32], maxNewTokens: Int) {
    (self.id, self.prompt, self.maxNewTokens) = (id, prompt, maxNewTokens)
  }
}
