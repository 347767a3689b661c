import JSON

/// The body of `POST /v1/messages`, the Anthropic API's conversation, and of `/v1/messages/count_tokens`.
package struct MessagesRequest: Sendable, Equatable {
  /// The conversation as a chat.
  package var chat: ChatCompletionRequest
  package var isStreamed: Bool
  /// The answer tells what the model thinks; false where the request disables thinking.
  package var showsThinking: Bool

  package init(
    _ body: JSONValue, limits: RequestLimits = RequestLimits(), defaults: SamplingOptions = SamplingOptions()
  ) throws(APIError) {
    try self.init(body, limits: limits, defaults: defaults, onlyCounts: false)
  }

  /// `onlyCounts`: of the body of `count_tokens`, which need not say how many tokens to generate.
  package init(
    _ body: JSONValue, limits: RequestLimits, defaults: SamplingOptions = SamplingOptions(), onlyCounts: Bool
  ) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.messages.check(reader)
    let messages = try MessagesInput.messages(reader, limits: limits)
    chat = ChatCompletionRequest(
      model: try reader.modelName(), messages: messages,
      sampling: try SamplingOptions(reader, defaults: defaults, limits: limits))
    chat.maxTokensMustFit = false
    chat.maxTokens = try reader.integer("max_tokens", in: 1...Int.max)
    if chat.maxTokens == nil, !onlyCounts { throw .missing("max_tokens") }
    chat.stop = try stopTexts(reader, "stop_sequences", limits: limits)
    chat.stopTokens = try stopTokenIDs(reader, limits: limits)
    chat.ignoresEndOfText = try reader.bool("ignore_eos") ?? false
    (chat.tools, chat.toolChoice, chat.allowsParallelToolCalls) = try MessagesTools.read(reader, limits: limits)
    isStreamed = try reader.bool("stream") ?? false
    chat.templateVariables = try ChatCompletionRequest.templateVariables(reader)
    let settings = try reader.reader("output_config")
    if let settings { try RequestMembers.messagesOutput.check(settings) }
    let effort = try ChatCompletionRequest.effort(settings, "effort")
    let thinking = try ChatCompletionRequest.thinking(reader)
    showsThinking = thinking ?? true
    if let thinking {
      chat.templateVariables.addReasoning(isWanted: thinking, effort: thinking ? effort : nil)
    } else if let effort, chat.templateVariables["reasoning_effort"] == nil {
      chat.templateVariables["reasoning_effort"] = .string(effort)
    }
    var form = try settings?.reader("format")
    if form == nil { form = try reader.reader("output_format") }
    if let form { (chat.responseFormat, chat.formatName) = (try Self.format(form), form.path) }
    // A last message of the assistant is one to be gone on with.
    if let last = messages.last, last.role == .assistant, last.content != nil, last.toolCalls.isEmpty {
      (chat.addsGenerationPrompt, chat.continuesFinalMessage) = (false, true)
    }
  }

  private static func format(_ reader: RequestReader) throws(APIError) -> ResponseFormat {
    let type = try reader.requiredString("type")
    guard type == "json_schema" else {
      throw .outOfRange(reader.path("type"), expected: "'json_schema'", found: "'\(type)'")
    }
    let schema = try reader.required("schema")
    guard schema.object != nil else { throw .wrongType(reader.path("schema"), expected: "an object", found: schema) }
    return .jsonSchema(name: "output", schema: schema, isStrict: true)
  }
}
