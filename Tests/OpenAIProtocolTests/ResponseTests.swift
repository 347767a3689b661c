import JSON
import Testing

@testable import OpenAIProtocol

private let header = ResponseHeader(id: "chatcmpl-1", created: 1_700_000_000, model: "m", systemFingerprint: "fp_1")

@Suite struct ResponseTests {
  @Test func aChatsResponseHasItsMessageReasonAndUsage() throws {
    let reply = Reply(
      reasoning: "Hm", content: nil, toolCalls: [ToolCall(id: "call_1", name: "weather", arguments: "{\"a\": 1}")])
    let response = ChatCompletionResponse(
      header: header, choices: [.init(index: 0, reply: reply, finishReason: .toolCalls)],
      usage: Usage(promptTokens: 5, completionTokens: 7, cachedTokens: 3, reasoningTokens: 2))
    #expect(
      response.json.text() == """
        {"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","system_fingerprint":"fp_1",\
        "choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"reasoning_content":"Hm",\
        "tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\\"a\\": 1}"}}]},\
        "logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":7,\
        "total_tokens":12,"prompt_tokens_details":{"cached_tokens":3},\
        "completion_tokens_details":{"reasoning_tokens":2}}}
        """)
    #expect(Reply().json["content"] == "")
  }

  @Test func aStreamOfChunksAddsUpToTheResponse() throws {
    let sample = try #require(replySamples.first { $0.name == "Hermes" })
    let chunks = ChatCompletionChunks(header: header, includesUsage: true)
    var frames = [chunks.first(index: 0)]
    for event in sample.events([sample.text]) { frames += chunks.delta(index: 0, event).map { [$0] } ?? [] }
    frames += [chunks.last(index: 0, .toolCalls), chunks.usage(Usage(promptTokens: 1, completionTokens: 2))]
    #expect(frames.allSatisfy { $0["object"] == "chat.completion.chunk" && $0["id"] == "chatcmpl-1" })
    #expect(frames.dropLast().allSatisfy { $0["usage"] == .null && $0["choices"]?.array?.count == 1 })
    #expect(frames.last?["choices"] == [] && frames.last?["usage"]?["total_tokens"] == 3)
    let choices = frames.dropLast().compactMap { $0["choices"]?.array?.first }
    #expect(choices.first?["delta"]?["role"] == "assistant")
    #expect(choices.map { $0["finish_reason"] ?? .null }.filter { !$0.isNull } == ["tool_calls"])
    #expect(choices.compactMap { $0["delta"]?["content"]?.string }.joined() == sample.content)
    #expect(choices.compactMap { $0["delta"]?["reasoning_content"]?.string }.joined() == sample.reasoning)
    let deltas = choices.compactMap { $0["delta"]?["tool_calls"]?.array?.first }
    for (i, call) in sample.calls.enumerated() {
      let own = deltas.filter { $0["index"]?.exactInt == i }
      #expect(own.compactMap { $0["function"]?["name"]?.string } == [call.name])
      #expect(own.compactMap { $0["function"]?["arguments"]?.string }.joined() == call.arguments)
      #expect(own.compactMap { $0["id"]?.string }.count == 1)
    }
    let silent = ChatCompletionChunks(header: header, includesUsage: false)
    #expect(silent.first(index: 0)["usage"] == nil)
    #expect(silent.delta(index: 0, .toolCallEnded(index: 0, isComplete: true)) == nil)
  }

  private static let logprobs = [
    TokenLogprob(bytes: Array("é".utf8), logprob: nil),
    TokenLogprob(
      bytes: [0xE2, 0x98], logprob: -0.5,
      top: [
        .init(bytes: [0xE2, 0x98], logprob: -0.5), .init(bytes: [0xE2], logprob: -2),
        .init(bytes: [65], logprob: -.infinity),
      ]),
    TokenLogprob(bytes: Array("ab".utf8), logprob: .nan),
  ]

  @Test func logprobsOfAChatHaveBytesAndCandidates() {
    #expect(
      Array(Self.logprobs[1...]).chatJSON.text() == """
        {"content":[{"token":"\u{FFFD}","logprob":-0.5,"bytes":[226,152],"top_logprobs":[\
        {"token":"\u{FFFD}","logprob":-0.5,"bytes":[226,152]},{"token":"\u{FFFD}","logprob":-2.0,"bytes":[226]},\
        {"token":"A","logprob":-9999.0,"bytes":[65]}]},\
        {"token":"ab","logprob":-9999.0,"bytes":[97,98],"top_logprobs":[]}],"refusal":null}
        """)
  }

  @Test func logprobsOfATextCompletionHaveOffsets() {
    #expect(
      Self.logprobs.completionJSON(textOffset: 10).text() == """
        {"tokens":["é","\u{FFFD}","ab"],"token_logprobs":[null,-0.5,-9999.0],\
        "top_logprobs":[null,{"\u{FFFD}":-0.5,"A":-9999.0},{"ab":-9999.0}],"text_offset":[10,11,12]}
        """)
    #expect(Self.logprobs.width == 4)
  }

  @Test func offsetsCountWhatIsShownOfTokens() {
    let tokens = [
      TokenLogprob(bytes: Array("<s>".utf8), logprob: nil, width: 0),
      TokenLogprob(bytes: [0xE2, 0x98], logprob: -1, width: 0), TokenLogprob(bytes: [0x83], logprob: -1, width: 1),
      TokenLogprob(bytes: [65], logprob: -1),
    ]
    #expect(tokens.completionJSON(textOffset: 5)["text_offset"] == [5, 5, 5, 6])
    #expect(tokens.width == 2)
  }

  @Test func aTokenThatIsNoneOfTheMostProbableIsAmongThemAllTheSame() {
    let tokens = [TokenLogprob(bytes: [65], logprob: -3, top: [.init(bytes: [66], logprob: -1)])]
    #expect(tokens.completionJSON(textOffset: 0)["top_logprobs"]?.array?[0] == ["B": .double(-1), "A": .double(-3)])
  }

  @Test func aTextCompletionAndItsChunksHaveOneForm() {
    let choice = CompletionResponse.Choice(index: 2, text: "a\n", finishReason: .length)
    let whole = CompletionResponse(
      header: header, choices: [choice], usage: Usage(promptTokens: 1, completionTokens: 2)
    ).json
    #expect(whole["object"] == "text_completion" && whole["usage"]?["completion_tokens_details"] == nil)
    let chunk = CompletionChunks(header: header, includesUsage: true).text(choice)
    #expect(chunk["choices"] == whole["choices"] && chunk["usage"] == .null)
    #expect(chunk["choices"]?.array?[0] == ["index": 2, "text": "a\n", "logprobs": .null, "finish_reason": "length"])
  }

  @Test func framesAreOneLineEach() {
    let frame = ServerSentEvents.frame(["text": "a\n\r\u{2028}\u{85}data: b"])
    #expect(frame.hasPrefix("data: {") && frame.hasSuffix("}\n\n"))
    #expect(!frame.dropLast(2).utf8.contains { $0 == 0x0A || $0 == 0x0D })
    #expect(ServerSentEvents.done == "data: [DONE]\n\n")
    #expect(ServerSentEvents.keepAlive.hasPrefix(":") && ServerSentEvents.keepAlive.hasSuffix("\n\n"))
    #expect(ServerSentEvents.failure(.internalFailure()).hasPrefix("data: {\"error\":{\"message\":"))
  }

  @Test func listsOfModelsAndTokensHaveTheirForms() {
    let model = ServedModel(id: "m", created: 1, contextLength: 4096)
    #expect([model].listJSON["object"] == "list" && [model].listJSON["data"] == [model.json])
    #expect(model.json["max_model_len"] == 4096)
    #expect(
      TokenizeResponse(tokens: [1, 2], contextLength: 9).json.text()
        == #"{"count":2,"max_model_len":9,"tokens":[1,2],"token_strs":null}"#)
    #expect(DetokenizeResponse(text: "a").json == ["prompt": "a"])
  }
}

@Suite struct APIErrorTests {
  @Test func anErrorsBodyHasAllFourMembers() {
    #expect(
      APIError.invalidRequest("no", param: "a.b").json.text()
        == #"{"error":{"message":"no","type":"invalid_request_error","param":"a.b","code":"invalid_value"}}"#)
    #expect(APIError.stopping.json["error"]?["param"] == .null)
  }

  @Test func everyFailureHasItsStatus() {
    let errors: [(APIError, Int, String)] = [
      (.unknownModel("x", served: ["m"]), 404, "model_not_found"),
      (.unsupportedEndpoint("/v1/files"), 404, "unsupported_endpoint"), (.invalidKey, 401, "invalid_api_key"),
      (.promptTooLong(promptTokens: 5000, contextLength: 4096), 400, "context_length_exceeded"),
      (.outputTooLong(promptTokens: 4000, maxTokens: 5000, contextLength: 4096), 400, "context_length_exceeded"),
      (.queueFull(limit: 8, retryAfter: 3), 429, "queue_full"), (.loading(retryAfter: 9), 503, "model_loading"),
      (.bodyTooLarge(limit: 10), 413, "body_too_large"), (.timeout(seconds: 5), 408, "request_timeout"),
      (.internalFailure(), 500, "internal_error"),
      (.methodNotAllowed("GET", path: "/v1/completions", allowed: ["POST"]), 405, "method_not_allowed"),
    ]
    for (error, status, code) in errors {
      #expect(error.status == status && error.code == code)
      #expect(!error.message.isEmpty && error.description == error.message)
    }
    #expect(APIError.queueFull(limit: 8, retryAfter: 3).retryAfter == 3)
    #expect(APIError.promptTooLong(promptTokens: 5000, contextLength: 4096).message.contains("5000"))
    #expect(APIError.promptTooLong(promptTokens: 5000, contextLength: 4096).message.contains("4096"))
    #expect(APIError.unsupportedEndpoint("/v1/files").message.hasPrefix("/v1/files is not offered"))
    #expect(APIError.unsupportedEndpoint("/v2/x").message == "there is no endpoint /v2/x")
  }

  @Test func whatAClientSendsIsCutInMessages() {
    let long = String(repeating: "\u{1F600}", count: 10_000)
    for error in [
      APIError.unknownModel(long, served: []), .unsupportedEndpoint(long),
      .methodNotAllowed(long, path: long, allowed: ["POST"]),
    ] { #expect(error.message.unicodeScalars.count < 300) }
  }
}

@Suite struct IdentifierTests {
  @Test func idsFollowFromTheirRandomNumbers() {
    #expect(IdentifierSource { 0 }.chatCompletion() == "chatcmpl-" + String(repeating: "0", count: 32))
    #expect(IdentifierSource { 0 }.completion() == "cmpl-" + String(repeating: "0", count: 32))
    #expect(IdentifierSource { 61 }.toolCall(for: .hermes) == "call_" + "z000000000z000000000z000")
    #expect(IdentifierSource { .max }.toolCall(for: .mistral).utf8.count == 9)
  }

  @Test func idsDiffer() {
    let ids = (0..<1000).map { _ in IdentifierSource.system.toolCall(for: .hermes) }
    #expect(Set(ids).count == 1000)
    for id in ids { #expect(id.wholeMatch(of: /call_[0-9A-Za-z]{24}/) != nil, "\(id)") }
  }
}
