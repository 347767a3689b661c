import EngineAPI
import Inference
import JSON
import ModelText
import StructuredOutput
import Synchronization

/// The grammars that requests ask for, compiled for the served model.
final class GrammarConstraints: Sendable {
  /// Grammars kept; most servers see a few over and over.
  private static let limit = 64
  /// Bytes of their texts and tables together.
  private static let byteLimit = 256 << 20

  private struct State: Sendable {
    var vocabulary: TokenVocabulary?
    var compiled: [String: CompiledGrammar] = [:]
    var byteCount = 0

    mutating func keep(_ grammar: CompiledGrammar, text: String) {
      let count = grammar.byteCount + text.utf8.count
      if compiled.count >= GrammarConstraints.limit || byteCount + count > GrammarConstraints.byteLimit {
        (compiled, byteCount) = ([:], 0)
      }
      if compiled.updateValue(grammar, forKey: text) == nil { byteCount += count }
    }
  }

  private let codec: TextCodec
  private let stopTokens: Set<Int32>
  private let state = Mutex(State())

  init(codec: TextCodec, stopTokens: Set<Int32>) { (self.codec, self.stopTokens) = (codec, stopTokens) }

  /// A constraint for one sequence. Takes as long as compiling does when the grammar is new; on any thread.
  func constraint(_ grammar: JSONValue, _ facts: EngineFacts) throws -> any TokenConstraint {
    let text = grammar.text()
    let (known, kept) = state.withLock { ($0.compiled[text], $0.vocabulary) }
    if let known { return GrammarConstraint(known, endTokens: stopTokens) }
    let vocabulary =
      try kept ?? TokenVocabulary(try codec.tokenizer(), size: facts.vocabularySize, endTokens: stopTokens)
    let compiled = try CompiledGrammar(OutputGrammar(json: grammar), vocabulary: vocabulary)
    state.withLock {
      $0.vocabulary = vocabulary
      $0.keep(compiled, text: text)
    }
    return GrammarConstraint(compiled, endTokens: stopTokens)
  }
}

/// A grammar as the loop follows it with one sequence.
private final class GrammarConstraint: TokenConstraint, @unchecked Sendable {
  private var state: GrammarState
  private let endTokens: Set<Int32>

  init(_ grammar: CompiledGrammar, endTokens: Set<Int32>) {
    state = grammar.makeState()
    self.endTokens = endTokens
  }

  var allowed: AllowedTokens { AllowedTokens(words: state.allowedTokens().words) }

  func advance(_ token: Int32) -> ConstraintProgress {
    // What a grammar does not allow cannot have been drawn under it.
    guard state.advance(token) else { return .complete }
    guard state.isComplete else { return .open }
    let mask = state.allowedTokens()
    return mask.count <= endTokens.count && mask.tokens.allSatisfy(endTokens.contains) ? .complete : .open
  }
}
