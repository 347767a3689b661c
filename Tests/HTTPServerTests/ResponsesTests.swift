import EngineAPI
import HTTPConnection
import JSON
import ModelText
import OpenAIProtocol
import Testing

@testable import HTTPServer
import Tokenization

@Suite struct ResponsesTests {
  static let weather: JSONValue = [
    "type": "function", "name": "weather",
    "parameters": ["type": "object", "properties": ["town": ["type": "string"]], "required": ["town"]],
  ]

  @Test func aResponseIsAnsweredWhole() async throws {
    let engine = TestModel.plain.engine(answering: " there was a king")
    try await TestServer.run(engine) { server in
      let reply = try await server.post("/v1/responses", ["input": "Once upon a time", "max_output_tokens": 100_000])
      #expect(reply.status == 200 && reply.json["object"] == "response" && reply.json["status"] == "completed")
      #expect(reply.json["output"]?.array?.first?["content"]?.array?.first?["text"] == " there was a king")
      let prompt = [0] + TestModel.plain.tokens("Once upon a time")
      #expect(reply.json["usage"]?["input_tokens"] == .int(prompt.count))
      #expect(engine.submitted.first?.prompt == prompt)
      #expect(
        engine.submitted.first?.maxNewTokens == 512 - prompt.count, "a bound beyond the context is the context's end")
      #expect(reply.json["model"] == "demo" && server.modelServer.admission.isEmpty)
    }
  }

  @Test func aStreamHasTheSameText() async throws {
    let engine = TestModel.reasoning.engine(answering: "Hm.\n</think>\n\nForty — ☃.")
    try await TestServer.run(engine, model: .reasoning) { server in
      let whole = try await server.post("/v1/responses", ["input": "A"])
      let reply = try await server.post("/v1/responses", ["input": "A", "stream": true])
      #expect(reply.headers["content-type"] == "text/event-stream; charset=utf-8")
      let events = reply.chunks
      #expect(events.first?["type"] == "response.created" && events.last?["type"] == "response.completed")
      func text(_ type: String) -> String {
        events.filter { $0["type"]?.string == type }.compactMap { $0["delta"]?.string }.joined()
      }
      #expect(text("response.reasoning_text.delta") == "Hm." && text("response.output_text.delta") == "Forty — ☃.")
      let items = [whole.json["output"], events.last?["response"]?["output"]]
      for item in items {
        #expect(item?.array?.compactMap { $0["content"]?.array?.first?["text"]?.string } == ["Hm.", "Forty — ☃."])
      }
      #expect(whole.json["usage"] == events.last?["response"]?["usage"])
      let reasoning = whole.json["usage"]?["output_tokens_details"]?["reasoning_tokens"]?.exactInt
      #expect(reasoning == TestModel.reasoning.tokens("Hm.\n").count)
    }
  }

  @Test(arguments: [false, true]) func aCallGoesAroundAndComesBack(stream: Bool) async throws {
    let engine = TestModel.tools.engine(answering: ToolTests.call)
    try await TestServer.run(engine, model: .tools) { server in
      let reply = try await server.post(
        "/v1/responses", ["input": "W", "tools": [Self.weather], "stream": .bool(stream)])
      let response = stream ? reply.chunks.last?["response"] : reply.json
      let call = try #require(response?["output"]?.array?.first)
      #expect(call["type"] == "function_call" && call["name"] == "weather" && response?["status"] == "completed")
      #expect(try JSONValue(parsing: call["arguments"]?.string ?? "") == ["town": "Bonn"])
      let output: JSONValue = ["type": "function_call_output", "call_id": call["call_id"] ?? .null, "output": "sun"]
      let next = try await server.post(
        "/v1/responses", ["input": [["role": "user", "content": "W"], call, output], "tools": [Self.weather]])
      #expect(next.status == 200)
      let prompt = engine.submitted.last?.prompt.map { Int($0) } ?? []
      let text = try TestModel.tools.codec.tokenizer().decode(prompt, skipSpecialTokens: true)
      #expect(text.contains("Bonn") && text.contains("tool:sun"))
    }
  }

  @Test func whatHoldsAnAnswerToAFormIsAGrammar() async throws {
    let engine = TestModel.tools.engine(answering: ToolTests.call)
    try await TestServer.run(engine, model: .tools) { server in
      _ = try await server.post("/v1/responses", ["input": "W", "tools": [Self.weather], "tool_choice": "required"])
      let call = try #require(engine.submitted.last?.grammar).text()
      #expect(call.contains("weather"))
      let format: JSONValue = ["type": "json_schema", "name": "n", "schema": ["type": "integer"]]
      _ = try await server.post("/v1/responses", ["input": "W", "text": ["format": format]])
      let form = try #require(engine.submitted.last?.grammar).text()
      #expect(form.contains("integer"))
    }
  }

  @Test(arguments: [false, true]) func logprobsAreOfTheText(stream: Bool) async throws {
    let engine = TestModel.reasoning.engine(answering: "Hm.\n</think>\n\nForty-two.")
    try await TestServer.run(engine, model: .reasoning) { server in
      let reply = try await server.post(
        "/v1/responses",
        ["input": "A", "stream": .bool(stream), "top_logprobs": 2, "include": ["message.output_text.logprobs"]])
      let response = stream ? reply.chunks.last?["response"] : reply.json
      let part = response?["output"]?.array?.last?["content"]?.array?.first
      let tokens = part?["logprobs"]?.array ?? []
      #expect(tokens.allSatisfy { $0["top_logprobs"]?.array?.count == 2 })
      let text = tokens.compactMap { $0["token"]?.string }.joined()
      #expect(text.hasSuffix("Forty-two.") && !text.contains("Hm"))
    }
  }

  @Test func nothingIsKept() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x")) { server in
      let previous = try await server.post("/v1/responses", ["input": "A", "previous_response_id": "resp_1"])
      #expect(previous.status == 400 && previous.errorCode == "previous_response_not_found")
      let kept = try await server.get("/v1/responses/resp_1")
      #expect(kept.status == 404 && kept.errorCode == "response_not_found")
      let count = try await server.post("/v1/responses/input_tokens", ["input": "Once"])
      #expect(count.json["input_tokens"] == .int(1 + TestModel.plain.tokens("Once").count))
    }
  }

  @Test func aFailureIsTheLastEvent() async throws {
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was"))
    script.failure = "rank 1 is gone"
    try await TestServer.run(FakeEngine(script)) { server in
      let reply = try await server.post("/v1/responses", ["input": "A", "stream": true])
      #expect(reply.chunks.last?["type"] == "response.failed")
      #expect(reply.chunks.last?["response"]?["error"]?["message"] == "rank 1 is gone")
      #expect(server.modelServer.admission.isEmpty)
    }
  }
}
