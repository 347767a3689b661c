import EngineAPI
import MoEModel

/// What to report about the tokens of a prompt that is scored rather than continued.
package struct ScoringOptions: Sendable, Equatable {
  /// Most probable tokens to report at each position.
  package var topCount: Int = 0
  package var returnsLogits = false
  package var returnsRouting = false
  package init() {}
}

/// What is added to a token's logit.
struct TokenBias: Equatable {
  var token: Int32
  var amount: Float
}

/// Names one sequence of a run.
package struct SequenceID: Hashable, Comparable, Sendable {
  package let value: Int32
  package init(_ value: Int32) { self.value = value }
  package static func < (a: SequenceID, b: SequenceID) -> Bool { a.value < b.value }
}

/// One prompt and what is to be done with it.
package struct GenerationRequest {
  package enum Task: Sendable, Equatable {
    /// Continue it by up to `maxNewTokens`, or until a token of `stopTokens` is sampled.
    case generate(maxNewTokens: Int, sampling: SamplingParameters, stopTokens: Set<Int32>)
    case score(ScoringOptions)
    /// Report its hidden states as one vector.
    case embed(Pooling)
  }
  package var prompt: [Int32]
  /// Tokens sampled before, which count as such: the sequence goes on after them as if it had sampled them itself.
  package var sampled: [Int32] = []
  package var task: Task
  /// What to tell of each token that is sampled.
  package var details = TokenDetails()
  /// Added to these tokens' logits before anything else.
  package var logitBias: [Int32: Float] = [:]
  /// What the output must look like.
  package var constraint: (any TokenConstraint)?

  /// `prompt`: token ids of the model.
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

  /// The tokens it may come to hold in the cache: the last one sampled is never fed back.
  package var capacity: Int {
    switch task {
    case .generate(let count, _, _): prompt.count + max(count, 1) - 1
    case .score, .embed: prompt.count
    }
  }

  /// The request with its length cut to the model's context; throws, naming the prompt by `index`, when the model
  /// cannot take it.
  package func checked(against description: DecoderDescription, index: Int) throws(InferenceError) -> GenerationRequest
  {
    guard !prompt.isEmpty else { throw .emptyPrompt(index: index) }
    for (position, token) in (prompt + sampled).enumerated()
    where token < 0 || Int(token) >= description.vocabularySize {
      throw .tokenOutsideVocabulary(
        index: index, position: position, token: Int(token), vocabularySize: description.vocabularySize)
    }
    for token in logitBias.keys where token < 0 || Int(token) >= description.vocabularySize {
      throw .biasOutsideVocabulary(token: Int(token), vocabularySize: description.vocabularySize)
    }
    switch task {
    case .score, .embed:
      guard prompt.count <= description.maximumPositions else {
        throw .promptTooLong(index: index, tokens: prompt.count, limit: description.maximumPositions)
      }
      return self
    case .generate(let count, let sampling, let stopTokens):
      do { try sampling.validate() } catch {
        throw .invalidSampling(name: error.name, value: error.value, lower: error.lower, upper: error.upper)
      }
      // At least one position must be left for what is sampled.
      let room = description.maximumPositions - prompt.count
      guard room > 0 else {
        throw .noRoomToContinue(index: index, tokens: prompt.count, limit: description.maximumPositions)
      }
      let length = min(count, room)
      guard sampled.count < length else {
        throw .nothingLeftToSample(index: index, sampled: sampled.count, limit: length)
      }
      var request = self
      request.task = .generate(maxNewTokens: length, sampling: sampling, stopTokens: stopTokens)
      return request
    }
  }
}

/// What became of one sequence in one step.
package enum GenerationEvent: Sendable {
  /// It was admitted, with so many of its tokens in the cache. Again when it had to make room for others meanwhile.
  case started(SequenceID, cachedTokens: Int)
  /// A token was sampled. `finish` is set with the last one.
  case token(SequenceID, SampledToken, finish: FinishReason?)
  /// Part of a prompt was scored.
  case scored(SequenceID, ScoredChunk, isLast: Bool)
  /// What a prompt's hidden states were pooled to, `[hiddenSize]`; the sequence has ended.
  case embedded(SequenceID, [Float])
  /// It cannot go on; others do.
  case failed(SequenceID, reason: String)
}

/// The scores of a run of positions: what the model, having read up to and including `position`, thought of the next
/// token.
package struct ScoredChunk: Sendable {
  package var firstPosition: Int
  package var count: Int
  /// Log-probability of each next token, `[count]`; NaN after the last token, where none follows.
  package var nextLogprobs: [Float]
  /// For each position, the most probable next tokens, descending.
  package var top: [[Candidate]]
  /// `[count, vocabulary]`; empty unless asked for.
  package var logits: [Float]
  /// By MoE layer: expert ids and weights `[count, topK]`; empty unless asked for.
  package var routing: [RoutedLayer]

  package struct RoutedLayer: Sendable {
    package var layer: Int
    package var experts: [Int32]
    package var weights: [Float]
  }
}
