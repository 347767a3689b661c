import ChatTemplates
import JSON
import OpenAIProtocol
import Tokenization

extension ServedText {
  func render(_ conversation: TokenizeRequest.Conversation, family: String) throws(APIError) -> String {
    try render(
      conversation.messages, tools: conversation.tools, variables: conversation.templateVariables,
      addsGenerationPrompt: conversation.addsGenerationPrompt,
      continuesFinalMessage: conversation.continuesFinalMessage, family: family)
  }

  /// A conversation as the model reads it. The model is told of every tool: by its template, or by a message where that
  /// shows none. `promptName`: the parameter that holds the conversation.
  func render(
    _ messages: [ChatMessage], tools: [ToolDefinition], variables: JSONObject, addsGenerationPrompt: Bool,
    continuesFinalMessage: Bool, family: String, promptName: String = "messages"
  ) throws(APIError) -> String {
    guard let template = tools.isEmpty ? template : toolTemplate else {
      throw .invalidRequest(
        "this model has no chat template: use /v1/completions, or start the server with --chat-template",
        param: promptName, code: "no_chat_template")
    }
    let format = format(family: family, hasTools: !tools.isEmpty)
    let layout = Layout(
      template: template, format: format, variables: variables, addsGenerationPrompt: addsGenerationPrompt,
      bosToken: tokenizer.bosToken, eosToken: tokenizer.eosToken)
    let messages = messages.withIdentifiers(for: format)
    let text: String
    do { text = try layout.render(messages, tools: tools) } catch let error as APIError { throw error } catch {
      throw .invalidRequest("the model's chat template cannot lay these messages out: \(error)", param: promptName)
    }
    guard continuesFinalMessage, let content = messages.last?.content else { return text }
    return try Self.cut(text, after: content)
  }

  /// How a request's messages are laid out.
  private struct Layout {
    let template: ChatTemplate
    let format: ToolCallFormat
    let variables: JSONObject
    let addsGenerationPrompt: Bool
    let bosToken: String?
    let eosToken: String?

    func render(_ messages: [ChatMessage], tools: [ToolDefinition]) throws -> String {
      guard !tools.isEmpty else { return try render(messages, nil) }
      let shown: String
      do { shown = try render(messages, tools.map(\.json)) } catch {
        // Templates print what a tool need not have.
        let complete = tools.map(\.complete)
        guard complete != tools.map(\.json) else { throw error }
        shown = try render(messages, complete)
      }
      guard try render(messages, nil) == shown else { return shown }
      guard let listing = format.listing(of: tools) else { throw APIError.toolsNotShown }
      var failure: (any Error)?
      for told in [messages.told(listing, by: .system), messages.told(listing, by: .user)] {
        do {
          let text = try render(told, nil)
          if text.contains(listing) { return text }
        } catch { failure = error }
      }
      throw failure ?? APIError.toolsNotShown
    }

    private func render(_ messages: [ChatMessage], _ tools: [JSONValue]?) throws -> String {
      try template.render(
        messages: messages.map { $0.templateValue(for: format) }, tools: tools.map { .array($0) },
        addGenerationPrompt: addsGenerationPrompt, bosToken: bosToken, eosToken: eosToken, extra: variables)
    }
  }

  /// The special token that stands right after an answer in a conversation; nil where none does.
  static func turnEnd(_ template: ChatTemplate, _ tokenizer: Tokenizer) -> Int32? {
    let answer = "\u{1}"
    let conversation: [JSONValue] = [
      ["role": "user", "content": "Hi"], ["role": "assistant", "content": .string(answer)],
      ["role": "user", "content": "Hi"],
    ]
    guard
      let text = try? template.render(
        messages: conversation, tools: nil, addGenerationPrompt: false, bosToken: tokenizer.bosToken,
        eosToken: tokenizer.eosToken, extra: JSONObject()),
      let end = text.utf8.firstIndex(of: 1)
    else { return nil }
    let rest = Substring(text.utf8[text.utf8.index(after: end)...].prefix(256))
    let ids = (try? tokenizer.encode(String(rest), addSpecialTokens: false)) ?? []
    // A role's marker that follows at once, as GLM's do, ends the turn as well.
    return ids.first.flatMap { tokenizer.isSpecial($0) ? Int32($0) : nil }
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

extension [ChatMessage] {
  /// These messages with `text` said by the first of its role: after what a system message says, before what a user
  /// says.
  fileprivate func told(_ text: String, by role: ChatMessage.Role) -> [ChatMessage] {
    var messages = self
    if role == .system {
      if let first = messages.first, first.role == .system || first.role == .developer {
        messages[0].content = [first.content ?? "", text].filter { !$0.isEmpty }.joined(separator: "\n\n")
      } else {
        messages.insert(ChatMessage(role: .system, content: text), at: 0)
      }
    } else if let first = messages.firstIndex(where: { $0.role == role }) {
      messages[first].content = text + "\n\n" + (messages[first].content ?? "")
    }
    return messages
  }
}

extension APIError {
  fileprivate static var toolsNotShown: APIError {
    .invalidRequest(
      """
      this model's chat template does not show tools, and no message could tell the model of them: start the \
      server with --chat-template and one that does
      """,
      param: "tools", code: "unsupported_parameter")
  }
}
