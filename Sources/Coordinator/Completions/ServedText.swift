import ChatTemplates
import JSON
import OpenAIProtocol
import Prompts
import StructuredOutput
import Synchronization
import Tokenization

/// The served model's text: tokens, conversations, and the forms of its replies. For any number of threads.
final class ServedText: Sendable {
  let codec: TextCodec
  let tokenizer: Tokenizer
  /// Tokens that end a text.
  let stopTokens: Set<Int32>
  /// nil where the model's folder has no template, so that there are no chats.
  private let template: ChatTemplate?
  let knownGrammars = KnownGrammars()
  private let formats = Mutex<[String: ToolCallFormat]>([:])
  private let vocabularies = Mutex<[Int: TokenVocabulary]>([:])

  init(codec: TextCodec, stopTokens: Set<Int32>) throws {
    (self.codec, self.stopTokens) = (codec, stopTokens)
    tokenizer = try codec.tokenizer()
    template = tokenizer.chatTemplate == nil ? nil : try codec.chatTemplate()
  }

  /// How models of this family write calls and reasoning.
  func format(family: String) -> ToolCallFormat {
    formats.withLock { formats in
      if let format = formats[family] { return format }
      let format = ToolCallFormat(chatTemplate: tokenizer.chatTemplate ?? "", family: family)
      formats[family] = format
      return format
    }
  }

  /// The tokens as grammars see them, of a model with so many rows of embedding.
  func vocabulary(size: Int) -> TokenVocabulary {
    vocabularies.withLock { vocabularies in
      if let vocabulary = vocabularies[size] { return vocabulary }
      let vocabulary = TokenVocabulary(tokenizer, size: size, endTokens: stopTokens)
      vocabularies[size] = vocabulary
      return vocabulary
    }
  }

  func encode(_ text: String, addSpecialTokens: Bool) throws(APIError) -> [Int] {
    do { return try tokenizer.encode(text, addSpecialTokens: addSpecialTokens) } catch {
      throw .invalidRequest("the text cannot be tokenized: \(error)")
    }
  }

  func decode(_ ids: [Int]) throws(APIError) -> String {
    do { return try tokenizer.decode(ids, skipSpecialTokens: false) } catch {
      throw .invalidRequest("the tokens cannot be decoded: \(error)", param: "tokens")
    }
  }

  func render(_ conversation: TokenizeRequest.Conversation, family: String) throws(APIError) -> String {
    try render(
      conversation.messages, tools: conversation.tools, variables: conversation.templateVariables,
      addsGenerationPrompt: conversation.addsGenerationPrompt,
      continuesFinalMessage: conversation.continuesFinalMessage, family: family)
  }

  /// A conversation as the model reads it.
  func render(
    _ messages: [ChatMessage], tools: [ToolDefinition], variables: JSONObject, addsGenerationPrompt: Bool,
    continuesFinalMessage: Bool, family: String
  ) throws(APIError) -> String {
    guard let template else {
      throw .invalidRequest(
        "this model has no chat template: use /v1/completions", param: "messages", code: "no_chat_template")
    }
    let format = format(family: family)
    let text: String
    do {
      text = try template.render(
        messages: messages.map { $0.templateValue(for: format) },
        tools: tools.isEmpty ? nil : .array(tools.map(\.json)), addGenerationPrompt: addsGenerationPrompt,
        bosToken: tokenizer.bosToken, eosToken: tokenizer.eosToken, extra: variables)
    } catch {
      throw .invalidRequest("the model's chat template cannot lay these messages out: \(error)", param: "messages")
    }
    guard continuesFinalMessage, let content = messages.last?.content else { return text }
    return try Self.cut(text, after: content)
  }

  /// Leaves out what a template puts after the last message, so that it can go on.
  static func cut(_ text: String, after content: String) throws(APIError) -> String {
    let blanks: Set<UInt8> = [9, 10, 13, 32]
    let wanted = Array(Array(content.utf8).reversed().drop { blanks.contains($0) }.reversed())
    let bytes = Array(text.utf8)
    // With the blanks that end the message itself.
    let tail = bytes.suffix(content.utf8.count + closingByteLimit)
    guard let end = lastEnd(of: wanted, in: tail) else {
      throw .invalidRequest(
        "the model's chat template changes the last message, so that it cannot be continued",
        param: "continue_final_message")
    }
    return String(decoding: bytes[..<end], as: UTF8.self)
  }

  /// Most bytes that a template puts after the last message.
  private static let closingByteLimit = 4096

  /// Where `wanted` last ends in `bytes`. Takes time in proportion to both, whatever they are: clients choose them.
  private static func lastEnd(of wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    if wanted.isEmpty { return bytes.endIndex }
    // Knuth, Morris, Pratt: how much of `wanted` still matches where its next byte does not.
    var borders = Array(repeating: 0, count: wanted.count)
    var matched = 0
    for i in 1..<wanted.count {
      while matched > 0, wanted[i] != wanted[matched] { matched = borders[matched - 1] }
      if wanted[i] == wanted[matched] { matched += 1 }
      borders[i] = matched
    }
    var end: Int?
    matched = 0
    for i in bytes.indices {
      while matched > 0, matched == wanted.count || bytes[i] != wanted[matched] { matched = borders[matched - 1] }
      if bytes[i] == wanted[matched] { matched += 1 }
      if matched == wanted.count { end = i + 1 }
    }
    return end
  }
}
