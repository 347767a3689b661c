import EngineAPI
import OpenAIProtocol
import StructuredOutput
import Synchronization

extension OutputGrammar {
  /// Throws a refusal where outputs cannot be held to this grammar: the engine would find the same, but later. Takes
  /// time in proportion to the grammar.
  func check(text: ServedText, facts: EngineFacts, param: String) throws(APIError) {
    let key = json.text()
    guard key.utf8.count <= KnownGrammars.grammarLimit else {
      throw .invalidRequest(
        "'\(param)' has \(key.utf8.count) bytes as JSON, but a schema may have \(KnownGrammars.grammarLimit): shorten it",
        param: param, code: "invalid_schema")
    }
    if text.knownGrammars.contains(key) { return }
    do {
      _ = try CompiledGrammar(self, vocabulary: text.vocabulary(size: facts.vocabularySize))
    } catch { throw .invalidRequest("\(error)", param: param, code: "invalid_schema") }
    text.knownGrammars.insert(key)
  }
}

/// Grammars that were found to be usable lately, by their JSON texts.
final class KnownGrammars: Sendable {
  /// Bytes of a grammar as JSON; descriptions, which say nothing of outputs, are among them.
  static let grammarLimit = 1 << 20
  static let countLimit = 256
  static let byteLimit = 32 << 10

  private let texts = Mutex<Set<String>>([])

  func contains(_ text: String) -> Bool { texts.withLock { $0.contains(text) } }

  func insert(_ text: String) {
    guard text.utf8.count <= Self.byteLimit else { return }
    texts.withLock { texts in
      if texts.count >= Self.countLimit { texts = [] }
      texts.insert(text)
    }
  }
}
