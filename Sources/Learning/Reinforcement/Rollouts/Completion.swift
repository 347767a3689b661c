import Training

/// One continuation that is to be sampled.
package struct RolloutRequest: Sendable, Equatable {
  package var prompt: [Int32]
  package var maxNewTokens: Int
  /// 0 takes the most probable token.
  package var temperature: Float
  package var seed: UInt64

  package init(prompt: [Int32], maxNewTokens: Int, temperature: Float, seed: UInt64) {
    (self.prompt, self.maxNewTokens, self.temperature, self.seed) = (prompt, maxNewTokens, temperature, seed)
  }

  /// The `sample`th completion of the prompt at a place of the order: its own seed of the stream.
  package init(
    prompt: [Int32], maxNewTokens: Int, temperature: Double, seeds: RandomStream, place: Int, sample: Int = 0
  ) {
    let bits = seeds.bits(UInt64(place), UInt64(sample))
    self.init(
      prompt: prompt, maxNewTokens: maxNewTokens, temperature: Float(temperature),
      seed: UInt64(bits.x) << 32 | UInt64(bits.y))
  }
}

/// What was sampled.
package struct Completion: Sendable, Equatable {
  /// The token that ended it among them.
  package var tokens: [Int32] = []
  /// log π of each when it was sampled, at temperature 1.
  package var logprobs: [Float] = []
  /// It had as many tokens as it might have.
  package var isCut = false

  package init() {}
}
