import ChatTemplates
import JSON
import Synchronization
import Tokenization

/// The model's tokenizer and chat template, read when they are first needed.
///
/// Any number of threads may use it at once: what is read is immutable, and read under a lock. Encoding and rendering
/// take time in proportion to the text, so that a thread which must not wait should have another one call.
package final class TextCodec: Sendable {
  package let folder: String
  private let loaded = Mutex<Tokenizer?>(nil)
  private let template = Mutex<ChatTemplate?>(nil)

  package init(folder: String) { self.folder = folder }

  package func tokenizer() throws -> Tokenizer {
    try loaded.withLock { loaded in
      if let loaded { return loaded }
      do {
        let tokenizer = try Tokenizer(folder: folder)
        loaded = tokenizer
        return tokenizer
      } catch { throw TextCodecError.noTokenizer(reason: "\(error)") }
    }
  }

  /// The tokenizer, or nil where the folder has none that can be used: ids then stay ids.
  package var optionalTokenizer: Tokenizer? { try? tokenizer() }

  package func encode(_ text: String, addSpecialTokens: Bool = true) throws -> [Int] {
    try tokenizer().encode(text, addSpecialTokens: addSpecialTokens)
  }

  /// The parsed chat template.
  package func chatTemplate() throws -> ChatTemplate {
    let source = try tokenizer().chatTemplate
    return try template.withLock { template in
      if let template { return template }
      guard let source else { throw TextCodecError.noChatTemplate(folder: folder) }
      let parsed = try ChatTemplate(source)
      template = parsed
      return parsed
    }
  }

  /// A conversation's text as the chat template lays it out; `extra` are further variables of it.
  package func render(
    _ messages: [JSONValue], tools: JSONValue? = nil, addGenerationPrompt: Bool, extra: JSONObject = JSONObject()
  ) throws -> String {
    let tokenizer = try tokenizer()
    return try chatTemplate().render(
      messages: messages, tools: tools, addGenerationPrompt: addGenerationPrompt, bosToken: tokenizer.bosToken,
      eosToken: tokenizer.eosToken, extra: extra)
  }

  /// Ids of a conversation; the template itself writes the special tokens.
  package func encode(_ messages: [JSONValue], tools: JSONValue? = nil) throws -> [Int] {
    try encode(render(messages, tools: tools, addGenerationPrompt: true), addSpecialTokens: false)
  }

  package func encodeChat(_ text: String) throws -> [Int] {
    try encode([["role": "user", "content": .string(text)]])
  }
}
