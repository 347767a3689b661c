import StructuredOutput
import Synchronization

/// Grammars compiled for one model's tokens, each once, whoever asks for it: the server that checks a request, and the
/// engine that follows it, share one cache where they share a process.
///
/// Equal grammars are those of equal JSON. Who asks for one that is being compiled waits for it.
package final class GrammarCache: Sendable {
  private final class Place: Sendable {
    /// nil until it is compiled, under whose lock that happens.
    let outcome = Mutex<Result<CompiledGrammar, StructuredOutputError>?>(nil)
  }

  private struct State: Sendable {
    var places: [String: Place] = [:]
    var byteCount = 0
    var compilations = 0
  }

  private let codec: TextCodec
  package let endTokens: Set<Int32>
  private let countLimit: Int
  private let byteLimit: Int
  private let state = Mutex(State())
  private let vocabularies = Mutex<[Int: TokenVocabulary]>([:])

  /// `endTokens`: those that end a text. `countLimit`, `byteLimit`: of grammars kept, most servers see a few over and
  /// over; of their texts and tables together. Beyond either the cache is emptied.
  package init(codec: TextCodec, endTokens: Set<Int32>, countLimit: Int = 64, byteLimit: Int = 256 << 20) {
    (self.codec, self.endTokens, self.countLimit, self.byteLimit) = (codec, endTokens, countLimit, byteLimit)
  }

  /// How often a grammar was compiled.
  package var compilations: Int { state.withLock { $0.compilations } }

  /// `text`: the grammar's JSON. `vocabularySize`: the model's rows of embedding. Takes as long as compiling does when
  /// the grammar is new; on any thread that may wait. Throws what compiling does, and where there is no tokenizer.
  package func compiled(
    _ grammar: @autoclosure () throws -> OutputGrammar, text: String, vocabularySize: Int
  ) throws -> CompiledGrammar {
    let key = "\(vocabularySize) \(text)"
    let place = state.withLock { state in
      if let place = state.places[key] { return place }
      let place = Place()
      state.places[key] = place
      return place
    }
    let (outcome, isNew) = try place.outcome.withLock { outcome in
      if let outcome { return (outcome, false) }
      let vocabulary = try vocabulary(size: vocabularySize)
      let found: Result<CompiledGrammar, StructuredOutputError>
      do { found = .success(try CompiledGrammar(try grammar(), vocabulary: vocabulary)) } catch let error
        as StructuredOutputError
      {
        found = .failure(error)
      }
      outcome = found
      return (found, true)
    }
    if isNew { keep(place, key, outcome) }
    return try outcome.get()
  }

  /// What could not be compiled is not kept: whoever waited for it has been told.
  private func keep(_ place: Place, _ key: String, _ outcome: Result<CompiledGrammar, StructuredOutputError>) {
    state.withLock { state in
      state.compilations += 1
      guard case .success(let grammar) = outcome else {
        if state.places[key] === place { state.places[key] = nil }
        return
      }
      let count = grammar.byteCount + key.utf8.count
      if state.places.count > countLimit || state.byteCount + count > byteLimit {
        (state.places, state.byteCount) = ([:], 0)
      }
      state.places[key] = place
      state.byteCount += count
    }
  }

  /// The tokens as grammars see them.
  private func vocabulary(size: Int) throws -> TokenVocabulary {
    try vocabularies.withLock { vocabularies in
      if let vocabulary = vocabularies[size] { return vocabulary }
      let vocabulary = TokenVocabulary(try codec.tokenizer(), size: size, endTokens: endTokens)
      vocabularies[size] = vocabulary
      return vocabulary
    }
  }
}
