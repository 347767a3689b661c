import JSON
import Testing

@testable import OpenAIProtocol

private let header = ResponseHeader(id: "resp_1", created: 1_700_000_000, model: "m")

/// The events of a stream's frames; each frame names its event as the data do.
func events(_ frames: String) throws -> [JSONValue] {
  try frames.split(separator: "\n\n").map { frame in
    let lines = frame.split(separator: "\n")
    let data = try JSONValue(parsing: String(lines.last?.dropFirst("data: ".count) ?? ""))
    #expect(lines.count == 2 && lines.first.map { String($0.dropFirst("event: ".count)) } == data["type"]?.string)
    return data
  }
}

@Suite struct ResponsesStreamTests {
  static let samples: [ReplyEvent] = [
    .reasoning("Let me"), .reasoning(" see."), .content("One "), .content("moment."),
    .toolCallStarted(index: 0, id: "call_1", name: "weather"), .toolCallArguments(index: 0, delta: "{\"a\""),
    .toolCallArguments(index: 0, delta: ": 1}"), .toolCallEnded(index: 0, isComplete: true),
    .toolCallStarted(index: 1, id: "call_2", name: "patch"),
    .toolCallArguments(index: 1, delta: #"{"input": "*** Begin"}"#), .toolCallEnded(index: 1, isComplete: true),
  ]

  private func stream(
    _ replyEvents: [ReplyEvent], _ members: [(String, JSONValue)] = [], finish: FinishReason = .toolCalls
  ) throws -> [JSONValue] {
    let request = try ResponsesRequest(responsesBody(members + [("stream", true)]))
    var stream = ResponsesStream(ResponsesAnswer(header: header, request: request), identifiers: constantIdentifiers)
    var frames = stream.begin()
    for event in replyEvents { frames += stream.frames(for: event, logprobs: []) }
    frames += stream.end(
      finish, usage: Usage(promptTokens: 3, completionTokens: 4, cachedTokens: 1, reasoningTokens: 2))
    return try events(frames)
  }

  @Test func everyItemBeginsGrowsAndEnds() throws {
    let tools: JSONValue = [["type": "function", "name": "weather"], ["type": "custom", "name": "patch"]]
    let all = try stream(Self.samples, [("tools", tools)])
    #expect(
      all.compactMap { $0["type"]?.string } == [
        "response.created", "response.in_progress",
        "response.output_item.added", "response.content_part.added", "response.reasoning_text.delta",
        "response.reasoning_text.delta", "response.reasoning_text.done", "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added", "response.function_call_arguments.delta",
        "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
        "response.output_item.added", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done",
        "response.output_item.done", "response.completed",
      ])
    #expect(all.map { $0["sequence_number"]?.exactInt } == all.indices.map { $0 })
    let added = all.filter { $0["type"] == "response.output_item.added" }
    #expect(added.map { $0["output_index"] } == [0, 1, 2, 3])
    let done = all.filter { $0["type"] == "response.output_item.done" }.compactMap { $0["item"] }
    #expect(zip(added, done).allSatisfy { $0["item"]?["id"] == $1["id"] && $1["status"] == "completed" })
    let response = all.last?["response"]
    #expect(response?["output"] == .array(done) && response?["status"] == "completed")
    #expect(done[0]["content"] == [["type": "reasoning_text", "text": "Let me see."]] && done[0]["summary"] == [])
    #expect(done[1]["content"]?.array?[0]["text"] == "One moment.")
    #expect(done[2]["arguments"] == #"{"a": 1}"# && done[2]["call_id"] == "call_1" && done[2]["name"] == "weather")
    #expect(done[3]["type"] == "custom_tool_call" && done[3]["input"] == "*** Begin")
    #expect(response?["usage"]?["input_tokens_details"]?["cached_tokens"] == 1)
    #expect(response?["usage"]?["output_tokens_details"]?["reasoning_tokens"] == 2)
    #expect(response?["usage"]?["total_tokens"] == 7)
  }

  @Test func aStreamEndsAsTheWholeAnswerIs() throws {
    let request = try ResponsesRequest(responsesBody())
    let answer = ResponsesAnswer(header: header, request: request)
    let text: [ReplyEvent] = [.reasoning("Hm."), .content("Yes.")]
    let usage = Usage(promptTokens: 3, completionTokens: 4, cachedTokens: 1, reasoningTokens: 2)
    let items = answer.items(of: reply(text), finish: .stop, logprobs: [], identifiers: constantIdentifiers)
    let whole = answer.json(output: items, finish: .stop, usage: usage)
    #expect(try stream(text, finish: .stop).last?["response"] == whole)
    for name in [
      "id", "object", "created_at", "status", "error", "incomplete_details", "instructions", "model", "output",
      "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p", "text", "usage", "metadata", "truncation",
      "previous_response_id", "reasoning", "store", "max_output_tokens", "user",
    ] { #expect(whole[name] != nil, "\(name)") }
  }

  @Test func reasoningIsToldAsItsSummaryAndInAFormToSendBack() throws {
    let all = try stream(
      [.reasoning("Hm."), .content("Yes.")],
      [("reasoning", ["summary": "auto"]), ("include", ["reasoning.encrypted_content"])], finish: .stop)
    let types = all.compactMap { $0["type"]?.string }
    for type in ["part.added", "text.delta", "text.done", "part.done"] {
      #expect(types.contains("response.reasoning_summary_" + type))
    }
    let item = all.last?["response"]?["output"]?.array?.first
    #expect(item?["summary"] == [["type": "summary_text", "text": "Hm."]])
    #expect(item?["encrypted_content"]?.string.flatMap(SealedReasoning.text) == "Hm.")
  }

  @Test func anAnswerThatIsCutIsIncomplete() throws {
    let all = try stream([.content("On")], finish: .length)
    #expect(all.last?["type"] == "response.incomplete" && all.last?["response"]?["status"] == "incomplete")
    #expect(all.last?["response"]?["incomplete_details"] == ["reason": "max_output_tokens"])
    #expect(all.last?["response"]?["output"]?.array?.last?["status"] == "incomplete")
  }

  @Test func anAnswerOfNothingIsAnEmptyMessage() throws {
    let all = try stream([], finish: .stop)
    #expect(all.last?["response"]?["output"]?.array?.first?["content"]?.array?.first?["text"] == "")
  }

  @Test func aFailureEndsTheStream() throws {
    let request = try ResponsesRequest(responsesBody([("stream", true)]))
    var stream = ResponsesStream(ResponsesAnswer(header: header, request: request), identifiers: constantIdentifiers)
    let frames = stream.begin() + stream.frames(for: .content("On"), logprobs: []) + stream.failure(.internalFailure())
    let last = try #require(try events(frames).last)
    #expect(last["type"] == "response.failed" && last["response"]?["status"] == "failed")
    #expect(last["response"]?["error"]?["code"] == "server_error")
  }
}
