import EngineAPI
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

@Suite struct ChatTests {
  let model = TestModel.plain

  @Test func aChatIsAnsweredWithTextUsageAndReason() async throws {
    let model = model
    var script = FakeEngine.Script(model.tokens(" there was a king") + [1])
    script.cachedTokens = 2
    let engine = FakeEngine(script)
    let count = script.tokens.count
    try await TestServer.run(engine) { server in
      let reply = try await server.chat(["seed": 7, "temperature": .double(0.5), "logit_bias": ["5": -3]])
      #expect(reply.status == 200)
      let choice = reply.json["choices"]?.array?.first
      #expect(choice?["message"]?["content"] == " there was a king" && choice?["message"]?["role"] == "assistant")
      #expect(choice?["finish_reason"] == "stop" && reply.json["object"] == "chat.completion")
      #expect(reply.json["model"] == "demo")
      let usage = reply.json["usage"]
      let prompt = [0] + model.tokens("Once upon a time")
      #expect(usage?["prompt_tokens"] == .int(prompt.count))
      #expect(usage?["completion_tokens"] == .int(count))
      #expect(usage?["prompt_tokens_details"]?["cached_tokens"] == 2)
      let submitted = try #require(engine.submitted.first)
      #expect(submitted.prompt == prompt && submitted.stopTokens == [1] && submitted.logitBias == [5: -3])
      #expect(submitted.sampling.seed == 7 && submitted.sampling.temperature == 0.5)
      #expect(submitted.maxNewTokens == 512 - prompt.count, "no limit was asked for: all that fit")
      #expect(submitted.details.topLogprobs == nil && submitted.grammar == nil)
      #expect(server.modelServer.admission.isEmpty)
    }
  }

  @Test func aStreamedChatHasTheSameText() async throws {
    try await TestServer.run(model.engine(answering: " there was — ☃☃ — a king 🎉!")) { server in
      let whole = try await server.chat()
      let reply = try await server.chat(["stream": true, "stream_options": ["include_usage": true]])
      #expect(reply.headers["content-type"] == "text/event-stream; charset=utf-8")
      #expect(reply.frames.last == "[DONE]")
      let chunks = reply.chunks
      #expect(chunks.first?["choices"]?.array?[0]["delta"]?["role"] == "assistant")
      let text = chunks.compactMap { $0["choices"]?.array?.first?["delta"]?["content"]?.string }.joined()
      #expect(text == " there was — ☃☃ — a king 🎉!")
      #expect(!reply.text.contains("\u{FFFD}"), "characters are never cut")
      #expect(chunks.dropLast().last?["choices"]?.array?[0]["finish_reason"] == "stop")
      #expect(chunks.last?["usage"] == whole.json["usage"] && chunks.last?["choices"] == [])
      #expect(Set(chunks.map { $0["id"]?.string }).count == 1)
    }
  }

  @Test func aStreamWithoutUsageHasNone() async throws {
    try await TestServer.run(model.engine(answering: " there")) { server in
      let reply = try await server.chat(["stream": true])
      #expect(!reply.text.contains("usage"))
    }
  }

  @Test(arguments: [false, true]) func stopStringsEndTheTextAndTheSequence(stream: Bool) async throws {
    // The stop string begins inside one token and ends inside another.
    let answer = " there was a king who had three sons"
    let engine = model.engine(answering: answer, delay: .milliseconds(20), finish: false)
    try await TestServer.run(engine) { server in
      let reply = try await server.chat(["stop": ["s a ki", "nowhere"], "stream": .bool(stream)])
      let text =
        stream
        ? reply.chunks.compactMap { $0["choices"]?.array?.first?["delta"]?["content"]?.string }.joined()
        : reply.json["choices"]?.array?[0]["message"]?["content"]?.string
      #expect(text == " there wa")
      let finish = stream ? reply.chunks.last?["choices"]?.array?[0] : reply.json["choices"]?.array?[0]
      #expect(finish?["finish_reason"] == "stop")
      try await server.eventually("the sequence goes on") { engine.active.isEmpty }
      #expect(engine.cancelled.count == 1)
    }
  }

  @Test func severalChoicesHaveSeedsOfTheirOwn() async throws {
    let model = model
    let engine = FakeEngine { request in
      FakeEngine.Script(model.tokens(" number \(request.sampling.seed)") + [1])
    }
    try await TestServer.run(engine) { server in
      for stream in [false, true] {
        let reply = try await server.chat(["n": 3, "seed": 40, "stream": .bool(stream)])
        var texts = ["", "", ""]
        if stream {
          for choice in reply.chunks.compactMap({ $0["choices"]?.array?.first }) {
            texts[choice["index"]?.exactInt ?? 0] += choice["delta"]?["content"]?.string ?? ""
          }
        } else {
          texts = reply.json["choices"]?.array?.compactMap { $0["message"]?["content"]?.string } ?? []
        }
        #expect(texts == [" number 40", " number 41", " number 42"])
      }
      _ = try await server.chat(["n": 2])
      #expect(Set(engine.submitted.suffix(2).map(\.sampling.seed)).count == 2, "unseeded choices must differ")
    }
  }

  @Test(arguments: [false, true]) func logprobsTellEachTokensTextAndBytes(stream: Bool) async throws {
    let model = model
    try await TestServer.run(model.engine(answering: " there ☃")) { server in
      let reply = try await server.chat(["logprobs": true, "top_logprobs": 2, "stream": .bool(stream)])
      let choices = reply.choices
      let entries = choices.flatMap { $0["logprobs"]?["content"]?.array ?? [] }
      #expect(entries.count == model.tokens(" there ☃").count + 1)
      let bytes = entries.dropLast().flatMap { $0["bytes"]?.array?.compactMap { $0.exactInt.map { UInt8($0) } } ?? [] }
      #expect(bytes == Array(" there ☃".utf8))
      #expect(entries.allSatisfy { $0["logprob"]?.double == -0.5 && $0["top_logprobs"]?.array?.count == 2 })
      #expect(entries[0]["token"] == " there")
    }
  }

  @Test(arguments: [false, true]) func reasoningIsToldApart(stream: Bool) async throws {
    let model = TestModel.reasoning
    let engine = model.engine(answering: "Let me think.\n</think>\n\nForty-two.")
    try await TestServer.run(engine, model: model) { server in
      let options: JSONValue = stream ? ["include_usage": true] : .null
      let reply = try await server.chat(["stream": .bool(stream), "stream_options": options])
      let parts: [JSONValue] =
        stream
        ? reply.chunks.compactMap { $0["choices"]?.array?.first?["delta"] }
        : [reply.json["choices"]?.array?[0]["message"] ?? .null]
      #expect(parts.compactMap { $0["reasoning_content"]?.string }.joined() == "Let me think.")
      #expect(parts.compactMap { $0["content"]?.string }.joined() == "Forty-two.")
      let usage = stream ? reply.chunks.last?["usage"] : reply.json["usage"]
      let count = usage?["completion_tokens_details"]?["reasoning_tokens"]?.exactInt
      #expect(count == model.tokens("Let me think.\n").count)
    }
  }

  @Test func theTemplateDecidesWhatThePromptIs() async throws {
    let engine = TestModel.tools.engine(answering: "x")
    try await TestServer.run(engine, model: .tools) { server in
      _ = try await server.chat(["chat_template_kwargs": ["greeting": "Hello!"]], content: "A")
      #expect(engine.submitted.last?.prompt == [0] + TestModel.tools.tokens("user:AHello!"))
    }
    let strict = TestModel.strict.engine(answering: "x")
    try await TestServer.run(strict, model: .strict) { server in
      let reply = try await server.post(
        "/v1/chat/completions", ["messages": [["role": "system", "content": "be brief"]]])
      #expect(reply.status == 400 && reply.errorMessage.contains("the first message must be a user's"))
    }
    try await TestServer.run(TestModel.withoutTemplate.engine(answering: "x"), model: .withoutTemplate) { server in
      let (chat, completion) = (try await server.chat(), try await server.complete())
      #expect(chat.errorCode == "no_chat_template" && completion.status == 200)
    }
  }

  @Test func aMessageCanBeContinued() async throws {
    let engine = model.engine(answering: " upon a time")
    try await TestServer.run(engine) { server in
      let messages: JSONValue = [["role": "user", "content": "Tell."], ["role": "assistant", "content": "Once"]]
      let reply = try await server.post(
        "/v1/chat/completions", ["messages": messages, "continue_final_message": true, "add_generation_prompt": false])
      #expect(reply.status == 200)
      #expect(engine.submitted.last?.prompt == [0] + TestModel.plain.tokens("Tell.Once"))
    }
  }
}
