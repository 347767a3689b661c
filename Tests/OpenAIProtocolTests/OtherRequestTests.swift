import JSON
import Testing

@testable import OpenAIProtocol

@Suite struct CompletionRequestTests {
  private func prompts(_ text: String) throws -> [CompletionRequest.Prompt] {
    try CompletionRequest(.object(JSONObject([("model", "m"), ("prompt", json(text))]))).prompts
  }

  @Test func everyFormOfPromptIsRead() throws {
    #expect(try prompts("\"a\"") == [.text("a")])
    #expect(try prompts("[\"a\", \"\"]") == [.text("a"), .text("")])
    #expect(try prompts("[1, 2]") == [.tokens([1, 2])])
    #expect(try prompts("[[1], [2, 3]]") == [.tokens([1]), .tokens([2, 3])])
  }

  @Test(arguments: [
    BadMember("prompt", "null", "missing_required_parameter"), .init("prompt", "[]", "invalid_value"),
    .init("prompt", "3", "invalid_type"), .init("prompt", "[[]]", "invalid_value", param: "prompt[0]"),
    .init("prompt", "[1, \"a\"]", "invalid_type", param: "prompt[1]"),
    .init("prompt", "[\"a\", 1]", "invalid_type", param: "prompt[1]"),
    .init("prompt", "[[1], \"a\"]", "invalid_type", param: "prompt[1]"),
    .init("prompt", "[[1, -1]]", "invalid_value", param: "prompt[0][1]"),
    .init("prompt", "[1.5]", "invalid_value", param: "prompt[0]"),
    .init("prompt", "[true]", "invalid_type", param: "prompt[0]"),
    .init("prompt", "[[[1]]]", "invalid_type", param: "prompt[0][0]"),
    .init("prompt", "[99999999999999999999]", "invalid_value", param: "prompt[0]"),
    .init("best_of", "2", "unsupported_parameter"), .init("best_of", "0", "invalid_value"),
    .init("suffix", "\"x\"", "unsupported_parameter"), .init("echo", "1", "invalid_type"),
    .init("logprobs", "true", "invalid_type"), .init("logprobs", "21", "invalid_value"),
    .init("messages", "[]", "unsupported_parameter"), .init("tools", "[{}]", "unsupported_parameter"),
    .init("top_logprobs", "3", "unsupported_parameter"),
  ])
  func aBadMemberIsRefusedByItsPath(bad: BadMember) throws {
    let refusal = try completionRefusal(bad.name, bad.text)
    #expect(refusal.param == bad.param)
    #expect(refusal.code == bad.code)
  }

  @Test func whatOnlyTextCompletionsHaveIsRead() throws {
    let request = try CompletionRequest(
      completionBody([("echo", true), ("logprobs", 0), ("max_tokens", 0), ("n", 3), ("best_of", 3), ("suffix", "")]))
    #expect(request.echoes && request.logprobs == 0 && request.maxTokens == 0 && request.choiceCount == 3)
    #expect(try CompletionRequest(completionBody()).logprobs == nil)
  }

  @Test func promptsTimesChoicesAreLimited() throws {
    let prompts: JSONValue = .array(Array(repeating: "a", count: 100))
    func request(_ count: Int) throws -> CompletionRequest {
      try CompletionRequest(.object(JSONObject([("model", "m"), ("prompt", prompts), ("n", .int(count))])))
    }
    #expect(try request(20).choiceCount == 20)
    let refusal = try #require(throws: APIError.self) { try request(21) }
    #expect(refusal.param == "n" && refusal.code == "invalid_value")
  }
}

@Suite struct TokenizeRequestTests {
  @Test func aTextOrAConversationIsRead() throws {
    let text = try TokenizeRequest(json(#"{"prompt": "a", "return_token_strs": true}"#))
    #expect(text.input == .text("a") && text.addsSpecialTokens && text.wantsTokenTexts && text.model == nil)
    let chat = try TokenizeRequest(json(#"{"model": "m", "messages": [{"role": "user", "content": "a"}]}"#))
    #expect(!chat.addsSpecialTokens && chat.model == "m")
    guard case .conversation(let conversation) = chat.input else { return #expect(Bool(false), "no conversation") }
    #expect(conversation.messages == [ChatMessage(role: .user, content: "a")] && conversation.addsGenerationPrompt)
  }

  @Test(arguments: [
    ("{}", "prompt"), (#"{"prompt": 3}"#, "prompt"), (#"{"prompt": "a", "messages": []}"#, "prompt"),
    (#"{"prompt": "a", "tools": []}"#, "tools"), (#"{"prompt": "a", "promt": 1}"#, "promt"),
    (#"{"messages": []}"#, "messages"),
  ])
  func aBadRequestIsRefused(text: String, param: String) throws {
    let refusal = try #require(throws: APIError.self) { try TokenizeRequest(json(text)) }
    #expect(refusal.param == param)
  }

  @Test func tokensToDecodeAreRead() throws {
    #expect(try DetokenizeRequest(json(#"{"model": "m", "tokens": [1, 2]}"#)).tokens == [1, 2])
    #expect(try DetokenizeRequest(json(#"{"tokens": []}"#)).tokens == [])
    for (text, param) in [("{}", "tokens"), (#"{"tokens": [-1]}"#, "tokens[0]"), (#"{"tokens": "a"}"#, "tokens")] {
      let refusal = try #require(throws: APIError.self) { try DetokenizeRequest(json(text)) }
      #expect(refusal.param == param)
    }
  }
}
