import MoEModel

/// How a sequence's next token is drawn from its logits.
package struct SamplingParameters: Sendable, Equatable {
  /// 0 takes the most probable token.
  package var temperature: Float = 0
  /// Keep the k most probable tokens; 0 keeps all.
  package var topK: Int = 0
  /// Keep the most probable tokens that together reach this probability.
  package var topP: Float = 1
  /// Keep tokens at least this fraction as probable as the most probable one.
  package var minP: Float = 0
  /// Divides positive and multiplies negative logits of tokens seen in prompt or output.
  package var repetitionPenalty: Float = 1
  /// Subtracted from the logits of tokens in the output.
  package var presencePenalty: Float = 0
  /// Subtracted from a token's logit for each time it is in the output.
  package var frequencyPenalty: Float = 0
  package var seed: UInt64 = 0

  package init() {}

  package var hasPenalties: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }

  /// Throws `InferenceError.invalidSampling` for a value outside its range.
  package func validate() throws(InferenceError) {
    func check(_ name: String, _ value: Float, _ range: ClosedRange<Float>) throws(InferenceError) {
      guard value.isFinite, range.contains(value) else {
        throw .invalidSampling(name: name, value: value, lower: range.lowerBound, upper: range.upperBound)
      }
    }
    try check("temperature", temperature, 0...100)
    try check("top-p", topP, 0...1)
    try check("min-p", minP, 0...1)
    try check("repetition-penalty", repetitionPenalty, 0.01...100)
    try check("presence-penalty", presencePenalty, -100...100)
    try check("frequency-penalty", frequencyPenalty, -100...100)
    guard topK >= 0, topK <= Int(Int32.max) else {
      throw .invalidSampling(name: "top-k", value: Float(topK), lower: 0, upper: Float(Int32.max))
    }
  }
}

/// What to report about the tokens of a prompt that is scored rather than continued.
package struct ScoringOptions: Sendable, Equatable {
  /// Most probable tokens to report at each position.
  package var topCount: Int = 0
  package var returnsLogits = false
  package var returnsRouting = false
  package init() {}
}

/// Names one sequence of a run.
package struct SequenceID: Hashable, Comparable, Sendable {
  package let value: Int32
  package init(_ value: Int32) { self.value = value }
  package static func < (a: SequenceID, b: SequenceID) -> Bool { a.value < b.value }
}

/// One prompt and what is to be done with it.
package struct GenerationRequest: Sendable {
  package enum Task: Sendable, Equatable {
    /// Continue it by up to `maxNewTokens`, or until a token of `stopTokens` is drawn.
    case generate(maxNewTokens: Int, sampling: SamplingParameters, stopTokens: Set<Int32>)
    case score(ScoringOptions)
  }
  package var prompt: [Int32]
  package var task: Task

  package init(prompt: [Int32], task: Task) {
    self.prompt = prompt
    self.task = task
  }
}

extension GenerationRequest {
  /// The ids of prompt `index` as the model takes them; throws at the first that is no token of the model.
  package static func tokens(
    _ ids: [Int], index: Int, description: DecoderDescription
  ) throws(InferenceError) -> [Int32] {
    if let position = ids.firstIndex(where: { !(0..<description.vocabularySize).contains($0) }) {
      throw .tokenOutsideVocabulary(
        index: index, position: position, token: ids[position], vocabularySize: description.vocabularySize)
    }
    return ids.map { Int32($0) }
  }

  /// The tokens it may come to hold in the cache: the last one drawn is never fed back.
  package var capacity: Int {
    switch task {
    case .generate(let count, _, _): prompt.count + max(count, 1) - 1
    case .score: prompt.count
    }
  }

  /// The request with its length cut to the model's context; throws, naming the prompt by `index`, when the model
  /// cannot take it.
  package func checked(against description: DecoderDescription, index: Int) throws(InferenceError) -> GenerationRequest {
    guard !prompt.isEmpty else { throw .emptyPrompt(index: index) }
    for (position, token) in prompt.enumerated() where token < 0 || Int(token) >= description.vocabularySize {
      throw .tokenOutsideVocabulary(
        index: index, position: position, token: Int(token), vocabularySize: description.vocabularySize)
    }
    switch task {
    case .score:
      guard prompt.count <= description.maximumPositions else {
        throw .promptTooLong(index: index, tokens: prompt.count, limit: description.maximumPositions)
      }
      return self
    case .generate(let count, let sampling, let stopTokens):
      try sampling.validate()
      // At least one position must be left for what is drawn.
      let room = description.maximumPositions - prompt.count
      guard room > 0 else {
        throw .noRoomToContinue(index: index, tokens: prompt.count, limit: description.maximumPositions)
      }
      return GenerationRequest(
        prompt: prompt,
        task: .generate(maxNewTokens: min(count, room), sampling: sampling, stopTokens: stopTokens))
    }
  }
}

/// What became of one sequence in one step.
package enum GenerationEvent: Sendable {
  /// A token was drawn. `finish` is set with the last one.
  case token(SequenceID, Int32, finish: FinishReason?)
  /// Part of a prompt was scored.
  case scored(SequenceID, ScoredChunk, isLast: Bool)
}

package enum FinishReason: String, Sendable {
  case stop
  case length
}

/// The scores of a run of positions: what the model, having read up to and including `position`, thought of the next token.
package struct ScoredChunk: Sendable {
  package struct Candidate: Sendable, Equatable {
    package var token: Int32
    package var logprob: Float
  }
  package var firstPosition: Int
  package var count: Int
  /// Log-probability of each next token, `[count]`; NaN after the last token, where none follows.
  package var nextLogprobs: [Float]
  /// For each position, the most probable next tokens, descending.
  package var top: [[Candidate]]
  /// `[count, vocabulary]`; empty unless asked for.
  package var logits: [Float]
  /// By mixture layer: expert ids and weights `[count, topK]`; empty unless asked for.
  package var routing: [RoutedLayer]

  package struct RoutedLayer: Sendable {
    package var layer: Int
    package var experts: [Int32]
    package var weights: [Float]
  }
}
