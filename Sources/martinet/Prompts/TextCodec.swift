import ChatTemplates
import JSON
import Tokenization

/// The model's tokenizer and chat template, read when they are first needed.
final class TextCodec {
  let folder: String
  private var loaded: Tokenizer?
  private var template: ChatTemplate?

  init(folder: String) { self.folder = folder }

  func tokenizer() throws -> Tokenizer {
    if let loaded { return loaded }
    do {
      let tokenizer = try Tokenizer(folder: folder)
      loaded = tokenizer
      return tokenizer
    } catch { throw PromptError.noTokenizer("\(error)") }
  }

  /// The tokenizer, or nil where the folder has none that can be used: ids then stay ids.
  var optionalTokenizer: Tokenizer? { try? tokenizer() }

  func encode(_ text: String, addSpecialTokens: Bool = true) throws -> [Int] {
    try tokenizer().encode(text, addSpecialTokens: addSpecialTokens)
  }

  /// A conversation's text as the chat template lays it out.
  func render(_ messages: [JSONValue], tools: JSONValue? = nil, addGenerationPrompt: Bool) throws -> String {
    let tokenizer = try tokenizer()
    if template == nil {
      guard let source = tokenizer.chatTemplate else { throw PromptError.noChatTemplate(folder: folder) }
      template = try ChatTemplate(source)
    }
    return try template!.render(
      messages: messages, tools: tools, addGenerationPrompt: addGenerationPrompt, bosToken: tokenizer.bosToken,
      eosToken: tokenizer.eosToken)
  }

  /// Ids of a conversation; the template itself writes the special tokens.
  func encode(_ messages: [JSONValue], tools: JSONValue? = nil) throws -> [Int] {
    try encode(render(messages, tools: tools, addGenerationPrompt: true), addSpecialTokens: false)
  }

  func encodeChat(_ text: String) throws -> [Int] {
    try encode([["role": "user", "content": .string(text)]])
  }
}

