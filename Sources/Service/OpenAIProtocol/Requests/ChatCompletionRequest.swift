import JSON

/// The body of `POST /v1/chat/completions`.
package struct ChatCompletionRequest: Sendable, Equatable {
  /// Nil means the model that is served.
  package var model: String?
  package var messages: [ChatMessage]
  package var sampling: SamplingOptions
  /// Most tokens to generate; nil is up to the context's end.
  package var maxTokens: Int?
  package var stop: [String]
  /// `stop_token_ids`.
  package var stopTokens: [Int]
  /// How many replies: `n`.
  package var choiceCount: Int
  package var wantsLogprobs: Bool
  /// How many of the most probable tokens to tell at each position.
  package var topLogprobs: Int
  /// Nil when the reply is not to be streamed.
  package var stream: StreamOptions?
  package var responseFormat: ResponseFormat
  package var tools: [ToolDefinition]
  package var toolChoice: ToolChoice
  package var allowsParallelToolCalls: Bool
  /// Generation goes on past end-of-text tokens.
  package var ignoresEndOfText: Bool
  /// `chat_template_kwargs`, and what other parameters say of reasoning where those do not have it.
  package var templateVariables: JSONObject
  package var addsGenerationPrompt: Bool
  /// The last message, an assistant's, is to be continued.
  package var continuesFinalMessage: Bool
  /// The parameter that holds the conversation.
  package var promptName = "messages"
  /// The parameter that holds the form of the answer.
  package var formatName = "response_format"
  /// `maxTokens` that do not fit are refused; otherwise the context's end is the limit, too.
  package var maxTokensMustFit = true

  /// `defaults`: what holds where the request says nothing, such as the model's own recommendation.
  package init(
    _ body: JSONValue, limits: RequestLimits = RequestLimits(), defaults: SamplingOptions = SamplingOptions()
  ) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.chat.check(reader)
    model = try reader.modelName()
    messages = try ChatMessage.list("messages", of: reader, limits: limits)
    sampling = try SamplingOptions(reader, defaults: defaults, limits: limits)
    maxTokens = try Self.maxTokens(reader)
    stop = try stopTexts(reader, limits: limits)
    stopTokens = try stopTokenIDs(reader, limits: limits)
    choiceCount = try reader.integer("n", in: 1...limits.choiceCount) ?? 1
    wantsLogprobs = try reader.bool("logprobs") ?? false
    topLogprobs = try reader.integer("top_logprobs", in: 0...limits.topLogprobCount) ?? 0
    if topLogprobs > 0, !wantsLogprobs {
      throw .invalidRequest("'top_logprobs' needs 'logprobs': true", param: "top_logprobs")
    }
    stream = try StreamOptions.parse(reader)
    responseFormat = try ResponseFormat(reader)
    tools = try ToolDefinition.list(reader, limits: limits)
    toolChoice = try ToolChoice(reader, tools: tools)
    allowsParallelToolCalls = try reader.bool("parallel_tool_calls") ?? true
    ignoresEndOfText = try reader.bool("ignore_eos") ?? false
    templateVariables = try Self.templateVariables(reader)
    (addsGenerationPrompt, continuesFinalMessage) = try Self.promptEnd(reader, messages: messages)
    try Self.checkModalities(reader)
  }

  /// A conversation that another endpoint's request holds: one reply, of which nothing else is asked.
  init(model: String?, messages: [ChatMessage], sampling: SamplingOptions) {
    (self.model, self.messages, self.sampling) = (model, messages, sampling)
    (maxTokens, stop, stopTokens, choiceCount) = (nil, [], [], 1)
    (wantsLogprobs, topLogprobs, stream) = (false, 0, nil)
    (responseFormat, tools, toolChoice, allowsParallelToolCalls) = (.text, [], .none, true)
    (ignoresEndOfText, templateVariables) = (false, JSONObject())
    (addsGenerationPrompt, continuesFinalMessage) = (true, false)
  }

  private static func maxTokens(_ reader: RequestReader) throws(APIError) -> Int? {
    let old = try tokenBound(reader, "max_tokens")
    let new = try tokenBound(reader, "max_completion_tokens")
    if let old, let new, old != new {
      throw .invalidRequest(
        "'max_tokens' is \(old), but 'max_completion_tokens' is \(new): give one of them", param: "max_tokens")
    }
    return new ?? old
  }

  private static func checkModalities(_ reader: RequestReader) throws(APIError) {
    for (i, value) in try (reader.array("modalities") ?? []).enumerated() where value.string != "text" {
      throw .invalidRequest(
        "'modalities[\(i)]' is not 'text', but this model writes text only", param: "modalities[\(i)]",
        code: "unsupported_value")
    }
  }

  private static let reservedVariables: Set<String> = [
    "messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "chat_template", "conversation",
  ]
  private static let efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

  static func templateVariables(_ reader: RequestReader) throws(APIError) -> JSONObject {
    var variables = JSONObject()
    if let given = try reader.reader("chat_template_kwargs") {
      if let name = given.object.keys.first(where: { reservedVariables.contains($0) }) {
        throw .unsupported(given.path(name), "it is set from the rest of the request")
      }
      variables = given.object
    }
    if let isWanted = try wantsReasoning(reader) { variables.addReasoning(isWanted: isWanted) }
    if let effort = try effort(reader, "reasoning_effort"), variables["reasoning_effort"] == nil {
      variables["reasoning_effort"] = .string(effort)
      // Most templates know a switch only.
      if effort == "none" { variables.addReasoning(isWanted: false) }
    }
    return variables
  }

  /// Whether the model is to reason, as the APIs of Qwen's makers (`enable_thinking`) and of DeepSeek's, GLM's and
  /// Anthropic (`thinking`) say it; nil where the request leaves it to the model.
  private static func wantsReasoning(_ reader: RequestReader) throws(APIError) -> Bool? {
    let isEnabled = try reader.bool("enable_thinking")
    let thinking = try thinking(reader)
    if let isEnabled, let thinking, isEnabled != thinking {
      throw .invalidRequest("'enable_thinking' and 'thinking' say different things: give one", param: "enable_thinking")
    }
    return isEnabled ?? thinking
  }

  static func thinking(_ reader: RequestReader) throws(APIError) -> Bool? {
    guard let thinking = try reader.reader("thinking") else { return nil }
    let type = try thinking.requiredString("type")
    switch type {
    case "enabled":
      _ = try thinking.integer("budget_tokens", in: 1...Int.max)
      return true
    case "adaptive", "between_tools": return true
    case "disabled": return false
    default:
      throw .outOfRange("thinking.type", expected: "'enabled', 'adaptive' or 'disabled'", found: "'\(type)'")
    }
  }

  static func effort(_ reader: RequestReader?, _ name: String) throws(APIError) -> String? {
    guard let reader, let effort = try reader.string(name) else { return nil }
    guard efforts.contains(effort) else {
      let names = efforts.map { "'\($0)'" }.joined(separator: ", ")
      throw .outOfRange(reader.path(name), expected: "one of \(names)", found: "'\(effort)'")
    }
    return effort
  }

  static func promptEnd(
    _ reader: RequestReader, messages: [ChatMessage]
  ) throws(APIError) -> (addsGenerationPrompt: Bool, continuesFinalMessage: Bool) {
    let adds = try reader.bool("add_generation_prompt")
    let continues = try reader.bool("continue_final_message") ?? false
    guard continues else { return (adds ?? true, false) }
    guard adds != true else {
      throw .invalidRequest(
        "'continue_final_message' and 'add_generation_prompt' cannot both be true", param: "continue_final_message")
    }
    guard let last = messages.last, last.role == .assistant, last.content != nil, last.toolCalls.isEmpty else {
      throw .invalidRequest(
        "'continue_final_message' needs a last message of the role 'assistant' with content and no calls",
        param: "continue_final_message")
    }
    return (false, true)
  }
}
