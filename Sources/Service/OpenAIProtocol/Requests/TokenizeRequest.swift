import JSON

/// The body of `POST /tokenize`: a text, or a conversation as the model would read it.
package struct TokenizeRequest: Sendable, Equatable {
  package enum Input: Sendable, Equatable {
    case text(String)
    case conversation(Conversation)
  }

  package struct Conversation: Sendable, Equatable {
    package var messages: [ChatMessage]
    package var tools: [ToolDefinition]
    package var templateVariables: JSONObject
    package var addsGenerationPrompt: Bool
    package var continuesFinalMessage: Bool
  }

  package var model: String?
  package var input: Input
  /// The tokenizer adds what it adds around a text; a conversation's template brings its own, so there it is off
  /// unless asked for.
  package var addsSpecialTokens: Bool
  package var wantsTokenTexts: Bool

  package init(_ body: JSONValue, limits: RequestLimits = RequestLimits()) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.tokenize.check(reader)
    model = try reader.modelName()
    let prompt = try reader.string("prompt")
    if reader["messages"] != nil {
      guard prompt == nil else {
        throw .invalidRequest("'prompt' and 'messages' cannot both be given", param: "prompt")
      }
      let messages = try ChatMessage.list("messages", of: reader, limits: limits)
      let (adds, continues) = try ChatCompletionRequest.promptEnd(reader, messages: messages)
      input = .conversation(
        Conversation(
          messages: messages, tools: try ToolDefinition.list(reader, limits: limits),
          templateVariables: try ChatCompletionRequest.templateVariables(reader), addsGenerationPrompt: adds,
          continuesFinalMessage: continues))
    } else {
      guard let prompt else { throw .missing("prompt") }
      for name in ["tools", "chat_template_kwargs", "add_generation_prompt", "continue_final_message"]
      where reader[name] != nil {
        throw .unsupported(name, "it belongs to 'messages'")
      }
      input = .text(prompt)
    }
    addsSpecialTokens = try reader.bool("add_special_tokens") ?? (prompt != nil)
    wantsTokenTexts = try reader.bool("return_token_strs") ?? false
  }
}

/// The body of `POST /detokenize`.
package struct DetokenizeRequest: Sendable, Equatable {
  package var model: String?
  package var tokens: [Int]

  package init(_ body: JSONValue, limits: RequestLimits = RequestLimits()) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.detokenize.check(reader)
    model = try reader.modelName()
    guard let values = try reader.array("tokens") else { throw .missing("tokens") }
    tokens = values.isEmpty ? [] : try CompletionRequest.tokenIDs(values, path: "tokens", limits: limits)
  }
}

extension JSONValue {
  /// A request's body as JSON, of bounded size and depth.
  package init(requestBody bytes: some Collection<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
    do throws(JSONError) {
      try self.init(parsing: bytes, limits: JSONLimits(byteCount: limits.byteCount, depth: limits.depth))
    } catch { throw .invalidJSON(error) }
  }
}
