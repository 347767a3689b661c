/// One continuation that is to be drawn.
package struct RolloutRequest: Sendable, Equatable {
  package var prompt: [Int32]
  package var maxNewTokens: Int
  /// 0 takes the most probable token.
  package var temperature: Float
  package var seed: UInt64

  package init(prompt: [Int32], maxNewTokens: Int, temperature: Float, seed: UInt64) {
    (self.prompt, self.maxNewTokens, self.temperature, self.seed) = (prompt, maxNewTokens, temperature, seed)
  }
}

/// What was drawn.
package struct Completion: Sendable, Equatable {
  /// The token that ended it among them.
  package var tokens: [Int32] = []
  /// log π of each when it was drawn, at temperature 1.
  package var logprobs: [Float] = []
  /// It had as many tokens as it might have.
  package var isCut = false

  package init() {}
}
