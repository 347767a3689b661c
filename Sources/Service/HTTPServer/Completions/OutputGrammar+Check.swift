import EngineAPI
import JSON
import ModelText
import OpenAIProtocol
import StructuredOutput

extension OutputGrammar {
  /// Bytes of a grammar as JSON; descriptions, which say nothing of outputs, are among them.
  static let byteLimit = 1 << 20

  /// Throws a refusal where outputs cannot be held to this grammar: the engine would find the same, but later. Takes
  /// time in proportion to the grammar, the first time it is seen.
  func check(text: ServedText, facts: EngineFacts, param: String) throws(APIError) {
    let key = json.text()
    guard key.utf8.count <= Self.byteLimit else {
      throw .invalidRequest(
        "'\(param)' has \(key.utf8.count) bytes as JSON, but a schema may have \(Self.byteLimit): shorten it",
        param: param, code: "invalid_schema")
    }
    do { _ = try text.grammars.compiled(self, text: key, vocabularySize: facts.vocabularySize) } catch {
      throw .invalidRequest("\(error)", param: param, code: "invalid_schema")
    }
  }
}
