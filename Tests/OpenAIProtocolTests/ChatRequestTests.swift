import JSON
import Testing

@testable import OpenAIProtocol

private let badMembers: [BadMember] = [
  .init("logprobs", "5", "invalid_type"), .init("top_logprobs", "21", "invalid_value"),
  .init("top_logprobs", "5", "invalid_value"), .init("top_logprobs", "-1", "invalid_value"),
  .init("max_completion_tokens", "0", "invalid_value"),
  .init("tools", "{}", "invalid_type"), .init("tools", "[{}]", "missing_required_parameter", param: "tools[0].type"),
  .init("tools", "[{\"type\": \"custom\"}]", "invalid_value", param: "tools[0].type"),
  .init("tools", "[{\"type\": \"function\"}]", "missing_required_parameter", param: "tools[0].function"),
  .init(
    "tools", "[{\"type\": \"function\", \"function\": {}}]", "missing_required_parameter",
    param: "tools[0].function.name"),
  .init(
    "tools", "[{\"type\": \"function\", \"function\": {\"name\": \"a b\"}}]", "invalid_value",
    param: "tools[0].function.name"),
  .init(
    "tools", "[{\"type\": \"function\", \"function\": {\"name\": \"a\\\"\"}}]", "invalid_value",
    param: "tools[0].function.name"),
  .init(
    "tools", "[{\"type\": \"function\", \"function\": {\"name\": \"a\", \"parameters\": []}}]", "invalid_type",
    param: "tools[0].function.parameters"),
  .init(
    "tools", "[{\"type\": \"function\", \"function\": {\"name\": \"a\", \"params\": {}}}]", "unknown_parameter",
    param: "tools[0].function.params"),
  .init(
    "tools",
    "[{\"type\": \"function\", \"function\": {\"name\": \"a\"}},"
      + " {\"type\": \"function\", \"function\": {\"name\": \"a\"}}]",
    "invalid_value", param: "tools[1].function.name"),
  .init("tool_choice", "\"required\"", "invalid_value"), .init("tool_choice", "\"any\"", "invalid_value"),
  .init("tool_choice", "true", "invalid_type"),
  .init("tool_choice", "{\"type\": \"allowed_tools\"}", "invalid_value", param: "tool_choice.type"),
  .init(
    "tool_choice", "{\"type\": \"function\", \"function\": {\"name\": \"a\"}}", "invalid_value",
    param: "tool_choice.function.name"),
  .init("parallel_tool_calls", "1", "invalid_type"),
  .init("chat_template_kwargs", "[]", "invalid_type"),
  .init(
    "chat_template_kwargs", "{\"messages\": []}", "unsupported_parameter", param: "chat_template_kwargs.messages"),
  .init("reasoning_effort", "\"huge\"", "invalid_value"), .init("reasoning_effort", "3", "invalid_type"),
  .init("continue_final_message", "true", "invalid_value"), .init("add_generation_prompt", "1", "invalid_type"),
  .init("modalities", "[\"text\", \"audio\"]", "unsupported_value", param: "modalities[1]"),
  .init("modalities", "\"text\"", "invalid_type"),
  .init("audio", "{\"voice\": \"x\"}", "unsupported_parameter"), .init("functions", "[{}]", "unsupported_parameter"),
  .init("function_call", "{}", "unsupported_parameter"),
  .init("web_search_options", "{}", "unsupported_parameter"), .init("prompt", "\"a\"", "unsupported_parameter"),
  .init("best_of", "2", "unsupported_parameter"),
  .init("messages", "null", "missing_required_parameter"), .init("messages", "[]", "invalid_value"),
  .init("messages", "\"Hi\"", "invalid_type"), .init("messages", "[\"Hi\"]", "invalid_type", param: "messages[0]"),
  .init("messages", "[{\"content\": \"Hi\"}]", "missing_required_parameter", param: "messages[0].role"),
  .init("messages", "[{\"role\": \"robot\", \"content\": \"Hi\"}]", "invalid_value", param: "messages[0].role"),
  .init("messages", "[{\"role\": \"user\"}]", "missing_required_parameter", param: "messages[0].content"),
  .init("messages", "[{\"role\": \"user\", \"content\": 3}]", "invalid_type", param: "messages[0].content"),
  .init("messages", "[{\"role\": \"user\", \"content\": []}]", "invalid_value", param: "messages[0].content"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [[\"a\"]]}]", "invalid_type", param: "messages[0].content[0]"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]", "missing_required_parameter",
    param: "messages[0].content[0].text"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": [\"x\"]}]}]", "invalid_type",
    param: "messages[0].content[0].text"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": \"data:\"}}]}]",
    "unsupported_value", param: "messages[0].content[0].type"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [{\"type\": \"input_audio\", \"input_audio\": {}}]}]",
    "unsupported_value", param: "messages[0].content[0].type"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": [{\"type\": \"poem\"}]}]", "invalid_value",
    param: "messages[0].content[0].type"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": \"a\", \"contnet\": 1}]", "unknown_parameter",
    param: "messages[0].contnet"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": \"a\", \"tool_calls\": [{}]}]", "unsupported_parameter",
    param: "messages[0].tool_calls"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": \"a\", \"tool_call_id\": \"x\"}]", "unsupported_parameter",
    param: "messages[0].tool_call_id"),
  .init(
    "messages", "[{\"role\": \"user\", \"content\": \"a\", \"name\": 3}]", "invalid_type", param: "messages[0].name"),
  .init("messages", "[{\"role\": \"assistant\"}]", "missing_required_parameter", param: "messages[0].content"),
  .init(
    "messages", "[{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"a\"}]}]", "missing_required_parameter",
    param: "messages[0].tool_calls[0].function"),
  .init(
    "messages", "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\"}}]}]",
    "missing_required_parameter", param: "messages[0].tool_calls[0].id"),
  .init(
    "messages",
    "[{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"a\","
      + " \"function\": {\"name\": \"f\", \"arguments\": {}}}]}]",
    "invalid_type", param: "messages[0].tool_calls[0].function.arguments"),
  .init(
    "messages", "[{\"role\": \"assistant\", \"content\": \"a\", \"function_call\": {}}]", "unsupported_parameter",
    param: "messages[0].function_call"),
  .init(
    "messages", "[{\"role\": \"tool\", \"content\": \"a\"}]", "missing_required_parameter",
    param: "messages[0].tool_call_id"),
  .init(
    "messages", "[{\"role\": \"tool\", \"content\": \"a\", \"tool_call_id\": \"x\"}]", "invalid_value",
    param: "messages[0].tool_call_id"),
]

@Suite struct ChatRequestTests {
  @Test(arguments: badMembers)
  func aBadMemberIsRefusedByItsPath(bad: BadMember) throws {
    let refusal = try chatRefusal(bad.name, bad.text)
    #expect(refusal.status == 400)
    #expect(refusal.param == bad.param)
    #expect(refusal.code == bad.code)
  }

  @Test func messagesOfEveryRoleAreRead() throws {
    let body = try json(
      """
      {"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "s"},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "reasoning_content": "Hm", "refusal": null, "annotations": [],
         "audio": null, "function_call": null,
         "tool_calls": [{"id": "c1", "type": "function",
                         "function": {"name": "weather", "arguments": "{\\"a\\": 1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]}
      """)
    let call = ToolCall(id: "c1", name: "weather", arguments: #"{"a": 1}"#)
    #expect(
      try ChatCompletionRequest(body).messages == [
        ChatMessage(role: .developer, content: "Be brief."),
        ChatMessage(role: .system, content: "a\nb", name: "s"),
        ChatMessage(role: .user, content: "Weather?"),
        ChatMessage(role: .assistant, content: nil, reasoning: "Hm", toolCalls: [call]),
        ChatMessage(role: .tool, content: "sunny", toolCallID: "c1"),
        ChatMessage(role: .assistant, content: "No."),
      ])
  }

  @Test func toolsAndTheChoiceOfOneAreRead() throws {
    let tools: JSONValue = [weatherTool, ["type": "function", "function": ["name": "now", "strict": true]]]
    func choice(_ value: JSONValue) throws -> ToolChoice {
      try ChatCompletionRequest(chatBody([("tools", tools), ("tool_choice", value)])).toolChoice
    }
    #expect(try choice(.null) == .auto)
    #expect(try choice("auto") == .auto)
    #expect(try choice("none") == .none)
    #expect(try choice("required") == .required)
    #expect(try choice(["type": "function", "function": ["name": "now"]]) == .function("now"))
    let request = try ChatCompletionRequest(chatBody([("tools", tools), ("parallel_tool_calls", false)]))
    #expect(request.tools.map(\.name) == ["weather", "now"] && request.tools.map(\.isStrict) == [false, true])
    #expect(request.tools[0].json == weatherTool)
    #expect(request.tools[1].parameters == ["type": "object", "properties": [:]])
    #expect(!request.allowsParallelToolCalls)
  }

  @Test func aSchemaIsReadAsItStands() throws {
    let schema: JSONValue = ["type": "object", "properties": ["a": ["type": "integer"]]]
    let format: JSONValue = ["type": "json_schema", "json_schema": ["name": "n", "schema": schema, "strict": true]]
    #expect(
      try ChatCompletionRequest(chatBody([("response_format", format)])).responseFormat
        == .jsonSchema(name: "n", schema: schema, isStrict: true))
  }

  @Test func logprobsAndBothNamesOfTheMostTokensAreRead() throws {
    let request = try ChatCompletionRequest(
      chatBody([("logprobs", true), ("top_logprobs", 20), ("max_completion_tokens", 9), ("max_tokens", 9)]))
    #expect(request.wantsLogprobs && request.topLogprobs == 20 && request.maxTokens == 9)
    let refusal = try chatRefusal("max_tokens", "3", also: [("max_completion_tokens", 4)])
    #expect(refusal.param == "max_tokens")
  }

  @Test func aTurnOfNothingMayComeBack() throws {
    let nothing: JSONValue = ["role": "assistant", "content": .null, "tool_calls": [], "refusal": .null, "images": []]
    let messages: JSONValue = [["role": "user", "content": "a"], nothing, ["role": "user", "content": "b"]]
    let request = try ChatCompletionRequest(["messages": messages])
    #expect(request.messages[1] == ChatMessage(role: .assistant, content: ""))
    #expect(try chatRefusal("messages", #"[{"role": "user", "content": null}]"#).param == "messages[0].content")
    #expect(
      try chatRefusal("messages", #"[{"role": "user", "content": "a", "images": ["x"]}]"#).code
        == "unsupported_parameter")
  }

  /// As the makers of Qwen, DeepSeek and GLM have it in their own APIs.
  @Test func reasoningIsSwitchedAsTheMakersClientsDo() throws {
    func variables(_ members: [(String, JSONValue)]) throws -> JSONObject {
      try ChatCompletionRequest(chatBody(members)).templateVariables
    }
    for isWanted in [true, false] {
      let both = JSONObject([("enable_thinking", .bool(isWanted)), ("thinking", .bool(isWanted))])
      #expect(try variables([("enable_thinking", .bool(isWanted))]) == both)
      #expect(try variables([("thinking", ["type": .string(isWanted ? "enabled" : "disabled")])]) == both)
    }
    let own = try variables([("chat_template_kwargs", ["enable_thinking": false]), ("enable_thinking", true)])
    #expect(own["enable_thinking"] == false)
    #expect(try chatRefusal("thinking", "true").code == "invalid_type")
    #expect(try chatRefusal("thinking", #"{"type": "much"}"#).param == "thinking.type")
    let members: [(String, JSONValue)] = [("enable_thinking", true), ("thinking", ["type": "disabled"])]
    let refusal = try #require(throws: APIError.self) { try ChatCompletionRequest(chatBody(members)) }
    #expect(refusal.param == "enable_thinking")
    #expect(try chatRefusal("reasoning", #"{"effort": "low"}"#).message.contains("'reasoning_effort'"))
  }

  @Test func theTemplateGetsItsVariables() throws {
    let request = try ChatCompletionRequest(
      chatBody([("chat_template_kwargs", ["thinking": true]), ("reasoning_effort", "high")]))
    #expect(request.templateVariables == JSONObject([("thinking", true), ("reasoning_effort", "high")]))
    let both = try ChatCompletionRequest(
      chatBody([("chat_template_kwargs", ["reasoning_effort": "low"]), ("reasoning_effort", "high")]))
    #expect(both.templateVariables == JSONObject([("reasoning_effort", "low")]))
    let none = try ChatCompletionRequest(
      chatBody([("chat_template_kwargs", ["thinking": true]), ("reasoning_effort", "none")]))
    #expect(
      none.templateVariables
        == JSONObject([("thinking", true), ("reasoning_effort", "none"), ("enable_thinking", false)]))
  }

  @Test func anAssistantsLastMessageCanBeContinued() throws {
    let messages: JSONValue = [["role": "user", "content": "Hi"], ["role": "assistant", "content": "He"]]
    let body: JSONValue = ["model": "m", "messages": messages, "continue_final_message": true]
    let request = try ChatCompletionRequest(body)
    #expect(request.continuesFinalMessage && !request.addsGenerationPrompt)
    let both: JSONValue = [
      "model": "m", "messages": messages, "continue_final_message": true, "add_generation_prompt": true,
    ]
    #expect(throws: APIError.self) { try ChatCompletionRequest(both) }
  }

  @Test func aHundredThousandMessagesAreReadAndOneMoreIsRefused() throws {
    let message: JSONValue = ["role": "user", "content": "x"]
    let most: JSONValue = ["model": "m", "messages": .array(Array(repeating: message, count: 100_000))]
    #expect(try ChatCompletionRequest(most).messages.count == 100_000)
    let more: JSONValue = ["model": "m", "messages": .array(Array(repeating: message, count: 100_001))]
    let refusal = try #require(throws: APIError.self) { try ChatCompletionRequest(more) }
    #expect(refusal.param == "messages" && refusal.code == "invalid_value")
  }

  @Test(arguments: ["[]", "3", "null", "\"a\""])
  func aBodyThatIsNoObjectIsRefused(text: String) throws {
    let refusal = try #require(throws: APIError.self) { try ChatCompletionRequest(json(text)) }
    #expect(refusal.status == 400 && refusal.code == "invalid_type")
  }

  @Test(arguments: [
    "", "{", "{\"a\": NaN}", "{\"a\": Infinity}", "{\"a\": 1, \"a\": 2}", "{\"a\": 01}", "{'a': 1}", "{\"a\": 1,}",
    "{\"model\": \"\u{0}\"}", "{} {}", String(repeating: "[", count: 100_000),
    String(repeating: "{\"a\":", count: 65) + "1" + String(repeating: "}", count: 65),
  ])
  func aBodyThatIsNoGoodJSONIsRefused(text: String) throws {
    let refusal = try #require(throws: APIError.self) { try json(text) }
    #expect(refusal.status == 400 && refusal.code == "invalid_json")
    #expect(refusal.message.utf8.count < 300)
  }

  @Test func aBodyThatIsTooLargeIsRefusedBeforeItIsRead() throws {
    var limits = RequestLimits()
    limits.byteCount = 10
    let refusal = try #require(throws: APIError.self) {
      try JSONValue(requestBody: "[1,2,3,4,5,6]".utf8, limits: limits)
    }
    #expect(refusal.status == 413)
  }
}
