import Fabric

/// Why a run cannot start or go on, and what to do.
/// An `index` counts prompts from 0; people read it from 1.
package enum InferenceError: Error, Equatable, CustomStringConvertible {
  case invalidSampling(name: String, value: Float, lower: Float, upper: Float)
  case emptyPrompt(index: Int)
  case promptTooLong(index: Int, tokens: Int, limit: Int)
  /// A prompt to be continued fills the whole context.
  case noRoomToContinue(index: Int, tokens: Int, limit: Int)
  case tokenOutsideVocabulary(index: Int, position: Int, token: Int, vocabularySize: Int)
  case biasOutsideVocabulary(token: Int, vocabularySize: Int)
  /// Of a sequence to go on after tokens sampled before.
  case nothingLeftToSample(index: Int, sampled: Int, limit: Int)
  case cacheTooSmall(index: Int, tokens: Int, capacity: Int)
  case logitsNotFinite(position: Int)
  /// Those of a prompt whose states were asked for.
  case statesNotFinite
  /// A constraint or bias leaves no token to sample.
  case nothingAllowed(position: Int)
  /// What went wrong with one sequence, in the words of its home.
  case sequenceFailed(String)
  case malformedPlan(String)
  case malformedOutcome(Rank, String)
  case rankFailed(Rank, String)
  /// A model cannot be replaced while sequences hold keys and values of it.
  case sequencesUnderWay(Int)
  /// Drafts are to come from a module that the checkpoint does not have.
  case noPredictionModule(family: String)
  case interrupted

  package var description: String {
    switch self {
    case .invalidSampling(let name, let value, let lower, let upper):
      "--\(name) \(value) is not between \(lower) and \(upper)"
    case .emptyPrompt(let index): "prompt \(index + 1) has no tokens; give it at least one"
    case .promptTooLong(let index, let tokens, let limit):
      "prompt \(index + 1) has \(tokens) tokens, and the model's context holds \(limit); shorten it"
    case .noRoomToContinue(let index, let tokens, let limit):
      """
      prompt \(index + 1) has \(tokens) tokens and leaves no room for another in the model's context of \(limit); \
      shorten it
      """
    case .tokenOutsideVocabulary(let index, let position, let token, let size):
      "prompt \(index + 1) has token id \(token) at position \(position); the vocabulary has ids 0 to \(size - 1)"
    case .biasOutsideVocabulary(let token, let size):
      "a bias is set for token id \(token); the vocabulary has ids 0 to \(size - 1)"
    case .nothingLeftToSample(let index, let sampled, let limit):
      "prompt \(index + 1) comes with \(sampled) sampled tokens and may have \(limit)"
    case .cacheTooSmall(let index, let tokens, let capacity):
      """
      prompt \(index + 1) needs room for \(tokens) tokens and the cache of a rank holds \(capacity); raise \
      --kv-cache-tokens or lower --max-new-tokens
      """
    case .logitsNotFinite(let position):
      """
      the model's logits at position \(position) are not finite: the checkpoint holds NaN or infinite weights; \
      download it again
      """
    case .statesNotFinite:
      "the model's hidden states are not finite: the checkpoint holds NaN or infinite weights; download it again"
    case .nothingAllowed(let position):
      "no token may follow position \(position): the bias or the form asked for excludes all; ask for another"
    case .sequenceFailed(let reason): reason
    case .malformedPlan(let reason):
      "rank 0 sent a malformed step plan: \(reason); check that all ranks run the same program"
    case .malformedOutcome(let rank, let reason):
      "\(rank) sent a malformed step outcome: \(reason); check that all ranks run the same program"
    case .rankFailed(let rank, let message): "\(rank): \(message)"
    case .sequencesUnderWay(let count):
      """
      \(count) sequences are under way, whose keys and values are the old model's: let them end, or cancel them, \
      before another is loaded
      """
    case .noPredictionModule(let family):
      """
      --speculate mtp: this \(family) checkpoint has no multi-token prediction layer to draft with; take \
      --speculate lookup, which needs none, or off
      """
    case .interrupted: "interrupted"
    }
  }
}
