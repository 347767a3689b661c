import EngineAPI
import JSON
import Testing

@testable import OpenAIProtocol

func responsesBody(_ members: [(String, JSONValue)] = []) -> JSONValue {
  .object(JSONObject([("model", "m"), ("input", "Hi")] + members))
}

func responsesRefusal(_ members: [(String, JSONValue)]) throws -> APIError {
  try #require(throws: APIError.self) { try ResponsesRequest(responsesBody(members)) }
}

@Suite struct ResponsesRequestTests {
  @Test func aTextIsAUsersMessage() throws {
    let request = try ResponsesRequest(responsesBody([("instructions", "Be brief.")]))
    #expect(
      request.chat.messages == [
        ChatMessage(role: .system, content: "Be brief."), ChatMessage(role: .user, content: "Hi"),
      ])
    #expect(request.chat.model == "m" && request.chat.maxTokens == nil && !request.isStreamed)
    #expect(request.chat.toolChoice == .none && request.chat.sampling == SamplingOptions())
  }

  /// Codex's way with tools of MCP servers: the model knows one name, the client two.
  @Test func toolsOfANamespaceAreKnownByBothNames() throws {
    let tools = try json(
      """
      [{"type": "function", "name": "shell"},
       {"type": "namespace", "name": "mcp__hub__", "description": "Tools of hub", "tools": [
         {"type": "function", "name": "list", "strict": false, "parameters": {"type": "object"}}, {"type": "custom", "name": "patch"}]},
       {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "list"}]}]
      """)
    let input = try json(
      """
      [{"role": "user", "content": "x"},
       {"type": "function_call", "namespace": "mcp__hub__", "name": "list", "arguments": "{}", "call_id": "c1"},
       {"type": "function_call_output", "call_id": "c1", "output": "a"}]
      """)
    let request = try ResponsesRequest(responsesBody([("tools", tools), ("input", input)]))
    #expect(request.chat.tools.map(\.name) == ["shell", "mcp__hub__list", "mcp__hub__patch", "agents__list"])
    #expect(request.customTools == ["mcp__hub__patch"])
    #expect(request.chat.messages[1].toolCalls.map(\.name) == ["mcp__hub__list"])
    let answer = ResponsesAnswer(header: ResponseHeader(id: "r", created: 0, model: "m"), request: request)
    let reply = Reply(
      toolCalls: ["agents__list", "mcp__hub__patch", "shell"].map { ToolCall(id: "c", name: $0, arguments: "{}") })
    let items = answer.items(of: reply, finish: .toolCalls, logprobs: [], identifiers: constantIdentifiers)
    #expect(items.map { $0["name"] } == ["list", "patch", "shell"])
    #expect(items.map { $0["namespace"] } == ["agents", "mcp__hub__", nil])
    let twice = try json(
      #"[{"type": "function", "name": "a__b"}, {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "b"}]}]"#
    )
    #expect(try responsesRefusal([("tools", twice)]).param == "tools[1].tools[0].name")
  }

  @Test func itemsOfATurnBecomeOneMessage() throws {
    let input = try json(
      """
      [{"role": "developer", "content": "A"}, {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "B"}]},
       {"role": "user", "content": [{"type": "input_text", "text": "Weather"}, {"type": "input_text", "text": "in Bonn?"}]},
       {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "Look it up."}]},
       {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "A moment.", "annotations": [], "logprobs": []}]},
       {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}", "status": "completed"},
       {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{\\"a\\": 1}"},
       {"type": "function_call_output", "call_id": "c1", "output": "sun"},
       {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "rain"}]},
       {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "done"}]},
       {"role": "assistant", "content": "Both."}, {"role": "user", "content": "Thanks"}]
      """)
    let messages = try ResponsesRequest(responsesBody([("input", input)])).chat.messages
    let calls = [
      ToolCall(id: "c1", name: "weather", arguments: "{}"),
      ToolCall(id: "c2", name: "weather", arguments: "{\"a\": 1}"),
    ]
    #expect(
      messages == [
        ChatMessage(role: .developer, content: "A\n\nB"), ChatMessage(role: .user, content: "Weather\nin Bonn?"),
        ChatMessage(role: .assistant, content: "A moment.", reasoning: "Look it up.", toolCalls: calls),
        ChatMessage(role: .tool, content: "sun", toolCallID: "c1"),
        ChatMessage(role: .tool, content: "rain", toolCallID: "c2"),
        ChatMessage(role: .assistant, content: "Both.", reasoning: "done"), ChatMessage(role: .user, content: "Thanks"),
      ])
  }

  @Test func turnsThatFollowOneAnotherStayApart() throws {
    let input: JSONValue = [
      ["type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"],
      ["type": "function_call_output", "call_id": "a", "output": ["x": 1]],
      ["type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"],
      ["type": "message", "role": "assistant", "content": "one"], ["role": "assistant", "content": "two"],
    ]
    let messages = try ResponsesRequest(responsesBody([("input", input)])).chat.messages
    #expect(messages.map(\.role) == [.assistant, .tool, .assistant, .assistant, .assistant])
    #expect(messages.map(\.content) == [nil, #"{"x":1}"#, nil, "one", "two"])
  }

  @Test func sealedReasoningComesBack() throws {
    let sealed = SealedReasoning.seal("naïve ☃")
    #expect(SealedReasoning.text(sealed) == "naïve ☃")
    for other in [
      "", "gAAAA", "martinet-reasoning:", "martinet-reasoning:6", "martinet-reasoning:zz", "martinet-reasoning:ff",
    ] {
      #expect(SealedReasoning.text(other) == nil, "\(other)")
    }
    let input: JSONValue = [
      ["role": "user", "content": "a"],
      ["type": "reasoning", "summary": [], "encrypted_content": .string(sealed)],
      ["role": "assistant", "content": "b"],
      ["type": "reasoning", "summary": [], "encrypted_content": "of another server"],
      ["role": "assistant", "content": "c"],
    ]
    let messages = try ResponsesRequest(responsesBody([("input", input)])).chat.messages
    #expect(messages.map(\.reasoning) == [nil, "naïve ☃", nil])
  }

  @Test func flatToolsAndFormatsAreRead() throws {
    let tool: JSONValue = [
      "type": "function", "name": "weather", "description": "d", "parameters": ["type": "object"], "strict": true,
    ]
    let schema: JSONValue = ["type": "object"]
    let request = try ResponsesRequest(
      responsesBody([
        (
          "tools",
          [
            tool,
            [
              "type": "custom", "name": "patch",
              "format": ["type": "grammar", "syntax": "lark", "definition": "start: X"],
            ],
          ]
        ),
        ("tool_choice", ["type": "function", "name": "weather"]), ("parallel_tool_calls", false),
        (
          "text",
          ["format": ["type": "json_schema", "name": "n", "schema": schema, "strict": true], "verbosity": "low"]
        ),
        ("reasoning", ["effort": "high", "summary": "auto"]), ("include", ["reasoning.encrypted_content"]),
        ("max_output_tokens", 7), ("temperature", 0), ("stream", true), ("store", true), ("metadata", ["a": "b"]),
      ]))
    #expect(request.chat.tools.map(\.name) == ["weather", "patch"] && request.customTools == ["patch"])
    #expect(request.chat.tools[0].isStrict && request.chat.tools[0].json["function"]?["name"] == "weather")
    #expect(request.chat.tools[1].description?.contains("start: X") == true)
    #expect(request.chat.toolChoice == .function("weather") && !request.chat.allowsParallelToolCalls)
    #expect(request.chat.responseFormat == .jsonSchema(name: "n", schema: schema, isStrict: true))
    #expect(request.chat.templateVariables["reasoning_effort"] == "high")
    #expect(request.chat.templateVariables["enable_thinking"] == true)
    #expect(request.wantsSummary && request.wantsEncryptedReasoning && request.isStreamed)
    #expect(request.chat.maxTokens == 7 && !request.chat.maxTokensMustFit && request.chat.sampling[.temperature] == 0)
    #expect(request.repeated["store"] == false && request.repeated["metadata"] == ["a": "b"])
    #expect(request.repeated["tools"]?.array?.count == 2)
  }

  @Test func allowedToolsAreThoseThatCount() throws {
    let tools: JSONValue = [["type": "function", "name": "a"], ["type": "function", "name": "b"]]
    let choice: JSONValue = [
      "type": "allowed_tools", "mode": "required", "tools": [["type": "function", "name": "b"]],
    ]
    let request = try ResponsesRequest(responsesBody([("tools", tools), ("tool_choice", choice)]))
    #expect(request.chat.tools.map(\.name) == ["b"] && request.chat.toolChoice == .required)
  }

  @Test func aSearchThatReadsNoPagesIsLeftOut() throws {
    let search: JSONValue = ["type": "web_search", "external_web_access": false]
    let request = try ResponsesRequest(responsesBody([("tools", [search, ["type": "function", "name": "a"]])]))
    #expect(request.chat.tools.map(\.name) == ["a"] && request.repeated["tools"]?.array?.count == 1)
    let refusal = try responsesRefusal([("tools", [["type": "web_search"]])])
    #expect(refusal.param == "tools[0].type" && refusal.message.contains("web_search"))
  }

  @Test func effortNoneTurnsReasoningOff() throws {
    let request = try ResponsesRequest(responsesBody([("reasoning", ["effort": "none"])]))
    #expect(request.chat.templateVariables["enable_thinking"] == false)
    #expect(try ResponsesRequest(responsesBody()).chat.templateVariables == JSONObject())
  }

  @Test(arguments: [
    (#"{"previous_response_id": "resp_1"}"#, "previous_response_id"), (#"{"background": true}"#, "background"),
    (#"{"conversation": "conv_1"}"#, "conversation"), (#"{"truncation": "middle"}"#, "truncation"),
    (#"{"input": []}"#, "input"), (#"{"input": 3}"#, "input"), (#"{"input": [3]}"#, "input[0]"),
    (#"{"input": [{"role": "wizard", "content": "a"}]}"#, "input[0].role"),
    (
      #"{"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}"#,
      "input[0].content[0].type"
    ),
    (#"{"input": [{"type": "item_reference", "id": "x"}]}"#, "input[0]"),
    (#"{"input": [{"type": "computer_call", "id": "x"}]}"#, "input[0].type"),
    (#"{"input": [{"type": "function_call_output", "call_id": "x", "output": "y"}]}"#, "input[0].call_id"),
    (#"{"tools": [{"type": "file_search"}]}"#, "tools[0].type"),
    (#"{"tools": [{"type": "function"}]}"#, "tools[0].name"),
    (#"{"tool_choice": "required"}"#, "tool_choice"), (#"{"reasoning": {"effort": "huge"}}"#, "reasoning.effort"),
    (#"{"text": {"format": {"type": "xml"}}}"#, "text.format.type"),
    (#"{"max_output_tokens": 0}"#, "max_output_tokens"),
    (#"{"messages": []}"#, "messages"), (#"{"inputs": "a"}"#, "inputs"), (#"{"top_logprobs": 21}"#, "top_logprobs"),
  ])
  func whatCannotBeDoneIsRefusedByName(text: String, param: String) throws {
    let members = try #require(json(text).object)
    let refusal = try responsesRefusal(members.members.map { ($0.key, $0.value) })
    #expect(refusal.status == 400 && refusal.param == param, "\(refusal.message)")
  }
}
