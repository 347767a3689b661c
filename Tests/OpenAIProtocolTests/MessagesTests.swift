import EngineAPI
import JSON
import Testing

@testable import OpenAIProtocol

private func messagesBody(_ members: [(String, JSONValue)] = []) -> JSONValue {
  .object(
    JSONObject([("model", "m"), ("max_tokens", 9), ("messages", [["role": "user", "content": "Hi"]])] + members))
}

@Suite struct MessagesRequestTests {
  @Test func blocksBecomeMessages() throws {
    let messages = try json(
      """
      [{"role": "user", "content": [{"type": "text", "text": "Weather", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "in Bonn?"}]},
       {"role": "assistant", "content": [{"type": "thinking", "thinking": "Look it up.", "signature": "s"}, {"type": "redacted_thinking", "data": "x"},
         {"type": "text", "text": "A moment."}, {"type": "tool_use", "id": "c1", "name": "weather", "input": {"a": 1}}]},
       {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sun"}], "is_error": false},
         {"type": "text", "text": "And?"}]}]
      """)
    let system: JSONValue = [
      ["type": "text", "text": "A", "cache_control": ["type": "ephemeral"]], ["type": "text", "text": "B"],
    ]
    let request = try MessagesRequest(messagesBody([("messages", messages), ("system", system)]))
    #expect(
      request.chat.messages == [
        ChatMessage(role: .system, content: "A\nB"), ChatMessage(role: .user, content: "Weather\nin Bonn?"),
        ChatMessage(
          role: .assistant, content: "A moment.", reasoning: "Look it up.",
          toolCalls: [ToolCall(id: "c1", name: "weather", arguments: #"{"a":1}"#)]),
        ChatMessage(role: .tool, content: "sun", toolCallID: "c1"), ChatMessage(role: .user, content: "And?"),
      ])
    #expect(request.chat.maxTokens == 9 && !request.chat.maxTokensMustFit && request.chat.addsGenerationPrompt)
  }

  /// The model knows all tools of a request, also those that are offered only once they are searched for.
  @Test func searchesForToolsFindWhatIsKnown() throws {
    let messages = try json(
      """
      [{"role": "user", "content": "Hi"},
       {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s1", "name": "tool_search_tool_regex", "input": {"query": "w"}},
         {"type": "tool_search_tool_result", "tool_use_id": "s1", "content": {"type": "tool_search_tool_search_result",
           "tool_references": [{"type": "tool_reference", "tool_name": "weather"}]}},
         {"type": "tool_use", "id": "c1", "name": "ToolSearch", "input": {}}]},
       {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "tool_reference", "tool_name": "weather"}]}]}]
      """)
    let tools: JSONValue = [
      ["type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"],
      ["name": "weather", "input_schema": ["type": "object"], "defer_loading": true],
    ]
    let request = try MessagesRequest(messagesBody([("messages", messages), ("tools", tools)]))
    #expect(request.chat.tools.map(\.name) == ["weather"])
    #expect(request.chat.tools.map(\.parametersPath) == ["tools[1].input_schema"])
    #expect(request.chat.messages.map(\.role) == [.user, .assistant, .tool])
    #expect(request.chat.messages[1].toolCalls.map(\.name) == ["ToolSearch"])
    #expect(request.chat.messages[2].content == "weather")
  }

  @Test func aLastMessageOfTheAssistantIsGoneOnWith() throws {
    let messages: JSONValue = [["role": "user", "content": "Hi"], ["role": "assistant", "content": "Well"]]
    let request = try MessagesRequest(messagesBody([("messages", messages)]))
    #expect(request.chat.continuesFinalMessage && !request.chat.addsGenerationPrompt)
  }

  @Test func parametersHaveTheirMeaning() throws {
    let tools: JSONValue = [
      [
        "name": "weather", "description": "d", "input_schema": ["type": "object"],
        "cache_control": ["type": "ephemeral"],
      ],
      ["name": .string(String(repeating: "n", count: 128)), "type": "custom", "input_schema": ["type": "object"]],
    ]
    let request = try MessagesRequest(
      messagesBody([
        ("tools", tools), ("tool_choice", ["type": "any", "disable_parallel_tool_use": true]),
        ("thinking", ["type": "enabled", "budget_tokens": 2048]), ("stop_sequences", ["x"]), ("top_k", 5),
        ("stream", true),
        ("metadata", ["user_id": "u"]), ("service_tier", "auto"), ("context_management", ["edits": []]),
        ("output_config", ["effort": "high"]),
      ]))
    #expect(request.chat.tools.count == 2 && request.chat.tools[0].json["function"]?["name"] == "weather")
    #expect(request.chat.toolChoice == .required && !request.chat.allowsParallelToolCalls)
    #expect(
      request.chat.templateVariables["enable_thinking"] == true && request.chat.templateVariables["thinking"] == true)
    #expect(request.chat.templateVariables["reasoning_effort"] == "high")
    #expect(
      request.chat.stop == ["x"] && request.chat.sampling[.topK] == 5 && request.isStreamed && request.showsThinking)
    let quiet = try MessagesRequest(messagesBody([("thinking", ["type": "disabled"])]))
    #expect(!quiet.showsThinking && quiet.chat.templateVariables["enable_thinking"] == false)
    let schema: JSONValue = ["type": "object"]
    let formed = try MessagesRequest(
      messagesBody([("output_config", ["format": ["type": "json_schema", "schema": schema]])]))
    #expect(formed.chat.responseFormat == .jsonSchema(name: "output", schema: schema, isStrict: true))
    for (choice, meant) in [("auto", ToolChoice.auto), ("none", .none)] {
      let request = try MessagesRequest(messagesBody([("tools", tools), ("tool_choice", ["type": .string(choice)])]))
      #expect(request.chat.toolChoice == meant && request.chat.allowsParallelToolCalls)
    }
    let named: JSONValue = ["type": "tool", "name": "weather"]
    #expect(
      try MessagesRequest(messagesBody([("tools", tools), ("tool_choice", named)])).chat.toolChoice
        == .function("weather"))
  }

  @Test func onlyCountingNeedsNoLimit() throws {
    let body: JSONValue = ["messages": [["role": "user", "content": "Hi"]]]
    #expect(try MessagesRequest(body, limits: RequestLimits(), onlyCounts: true).chat.maxTokens == nil)
    let refusal = try #require(throws: APIError.self) { try MessagesRequest(body) }
    #expect(refusal.param == "max_tokens" && refusal.code == "missing_required_parameter")
  }

  @Test(arguments: [
    (#"{"messages": []}"#, "messages"), (#"{"messages": [{"role": "tool", "content": "a"}]}"#, "messages[0].role"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}"#, "messages[0].content[0].type"),
    (
      #"{"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]}"#,
      "messages[0].content[0].tool_use_id"
    ),
    (#"{"tools": [{"type": "web_search_20250305", "name": "web_search"}]}"#, "tools[0].type"),
    (#"{"tools": [{"name": "a"}]}"#, "tools[0].input_schema"), (#"{"tool_choice": {"type": "any"}}"#, "tool_choice"),
    (#"{"thinking": {"type": "deep"}}"#, "thinking.type"), (#"{"stop_sequences": [""]}"#, "stop_sequences[0]"),
    (#"{"max_tokens": 0}"#, "max_tokens"), (#"{"mcp_servers": [{}]}"#, "mcp_servers"),
    (#"{"maxtokens": 3}"#, "maxtokens"),
  ])
  func whatCannotBeDoneIsRefusedByName(text: String, param: String) throws {
    let members = try #require(json(text).object)
    let refusal = try #require(throws: APIError.self) {
      try MessagesRequest(messagesBody(members.members.map { ($0.key, $0.value) }))
    }
    #expect(refusal.status == 400 && refusal.param == param, "\(refusal.message)")
  }

  @Test func errorsHaveTheApisForm() {
    #expect(
      APIError.invalidRequest("no").messagesJSON(requestID: "req_1").text()
        == #"{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_1"}"#)
    let types = [
      (401, "authentication_error"), (404, "not_found_error"), (429, "rate_limit_error"), (503, "overloaded_error"),
    ]
    for (status, type) in types {
      #expect(APIError(status: status, message: "x").messagesJSON()["error"]?["type"]?.string == type)
    }
    let long = APIError.promptTooLong(promptTokens: 9, contextLength: 5).messagesJSON()
    #expect(long["error"]?["message"]?.string?.hasPrefix("prompt is too long: ") == true)
  }
}

@Suite struct MessagesAnswerTests {
  private let answer = MessagesAnswer(header: ResponseHeader(id: "msg_1", created: 1, model: "m"), showsThinking: true)
  private let usage = Usage(promptTokens: 10, completionTokens: 4, cachedTokens: 6)

  private func stream(_ replyEvents: [ReplyEvent], _ finish: OpenAIProtocol.FinishReason, stopText: String? = nil)
    throws
    -> [JSONValue]
  {
    var stream = MessagesStream(answer)
    var frames = stream.begin(usage: Usage(promptTokens: 10, completionTokens: 0, cachedTokens: 6))
    for event in replyEvents { frames += stream.frames(for: event) }
    return try events(frames + stream.end(finish, stopText: stopText, usage: usage))
  }

  @Test func everyBlockBeginsGrowsAndEnds() throws {
    let all = try stream(Array(ResponsesStreamTests.samples.prefix(8)), .toolCalls)
    #expect(
      all.compactMap { $0["delta"]?["type"]?.string ?? $0["type"]?.string } == [
        "message_start", "content_block_start", "thinking_delta", "thinking_delta", "signature_delta",
        "content_block_stop", "content_block_start", "text_delta", "text_delta", "content_block_stop",
        "content_block_start", "input_json_delta", "input_json_delta", "content_block_stop", "message_delta",
        "message_stop",
      ])
    let starts = all.filter { $0["type"] == "content_block_start" }
    #expect(starts.map { $0["index"] } == [0, 1, 2])
    #expect(starts[2]["content_block"] == ["type": "tool_use", "id": "call_1", "name": "weather", "input": [:]])
    let message = all[all.count - 2]
    #expect(message["delta"] == ["stop_reason": "tool_use", "stop_sequence": .null])
    #expect(message["usage"]?["input_tokens"] == 4 && message["usage"]?["cache_read_input_tokens"] == 6)
    #expect(message["usage"]?["output_tokens"] == 4)
    #expect(all[0]["message"]?["content"] == [] && all[0]["message"]?["usage"]?["input_tokens"] == 4)
  }

  @Test func aWholeMessageHasTheSameBlocks() throws {
    let whole = reply(Array(ResponsesStreamTests.samples.prefix(8)))
    let message = answer.json(whole, finish: .toolCalls, stopText: nil, usage: usage)
    #expect(
      message["content"] == [
        ["type": "thinking", "thinking": "Let me see.", "signature": "martinet"],
        ["type": "text", "text": "One moment."],
        ["type": "tool_use", "id": "call_1", "name": "weather", "input": ["a": 1]],
      ])
    #expect(message["stop_reason"] == "tool_use" && message["role"] == "assistant" && message["type"] == "message")
  }

  @Test func thoughtsThatAreNotWantedAreLeftOut() throws {
    let quiet = MessagesAnswer(header: answer.header, showsThinking: false)
    var stream = MessagesStream(quiet)
    #expect(stream.frames(for: .reasoning("Hm.")) == "")
    let message = quiet.json(Reply(reasoning: "Hm.", content: "Yes."), finish: .stop, stopText: nil, usage: usage)
    #expect(message["content"] == [["type": "text", "text": "Yes."]])
  }

  @Test func anAnswerTellsWhyItEnded() throws {
    for (finish, stopText, reason) in [
      (OpenAIProtocol.FinishReason.stop, nil, "end_turn"), (.stop, "x", "stop_sequence"), (.length, nil, "max_tokens"),
    ] as [(OpenAIProtocol.FinishReason, String?, String)] {
      let message = answer.json(Reply(content: "a"), finish: finish, stopText: stopText, usage: usage)
      #expect(message["stop_reason"]?.string == reason && message["stop_sequence"]?.string == stopText)
      let delta = try stream([.content("a")], finish, stopText: stopText).dropLast().last?["delta"]
      #expect(delta?["stop_reason"]?.string == reason && delta?["stop_sequence"]?.string == stopText)
    }
  }

  @Test func anInputThatIsNoObjectIsToldAsItIs() {
    #expect(MessagesAnswer.input("") == [:])
    #expect(MessagesAnswer.input("[1]") == ["raw_arguments": "[1]"])
    #expect(MessagesAnswer.input(#"{"a": "#) == ["raw_arguments": #"{"a": "#])
  }

  @Test func anAnswerOfNothingIsEmptyText() throws {
    #expect(try stream([], .stop)[1]["content_block"] == ["type": "text", "text": ""])
    #expect(
      answer.json(Reply(), finish: .stop, stopText: nil, usage: usage)["content"] == [["type": "text", "text": ""]])
  }
}
