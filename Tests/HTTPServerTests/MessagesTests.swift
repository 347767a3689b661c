import EngineAPI
import HTTPConnection
import JSON
import ModelText
import OpenAIProtocol
import Testing

@testable import HTTPServer
import Tokenization

@Suite struct MessagesTests {
  static func body(_ extra: JSONValue = [:], content: JSONValue = "Once upon a time") -> JSONValue {
    var body = JSONObject([("max_tokens", 400), ("messages", [["role": "user", "content": content]])])
    for (key, value) in extra.object?.members.map({ ($0.key, $0.value) }) ?? [] { body[key] = value }
    return .object(body)
  }

  static let weather: JSONValue = [
    "name": "weather",
    "input_schema": ["type": "object", "properties": ["town": ["type": "string"]], "required": ["town"]],
  ]

  @Test func aMessageIsAnsweredWhole() async throws {
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was a king") + [1])
    script.cachedTokens = 2
    let (engine, count) = (FakeEngine(script), script.tokens.count)
    try await TestServer.run(engine) { server in
      let reply = try await server.post("/v1/messages?beta=true", Self.body(["max_tokens": 32_000]))
      #expect(reply.status == 200 && reply.json["type"] == "message" && reply.json["role"] == "assistant")
      #expect(reply.json["content"] == [["type": "text", "text": " there was a king"]])
      #expect(reply.json["stop_reason"] == "end_turn" && reply.json["model"] == "demo")
      let prompt = [0] + TestModel.plain.tokens("Once upon a time")
      #expect(reply.json["usage"]?["input_tokens"] == .int(prompt.count - 2))
      #expect(
        reply.json["usage"]?["cache_read_input_tokens"] == 2 && reply.json["usage"]?["output_tokens"] == .int(count))
      #expect(
        engine.submitted.first?.maxNewTokens == 512 - prompt.count, "a bound beyond the context is the context's end")
      #expect(reply.headers["request-id"] != nil && server.modelServer.admission.isEmpty)
    }
  }

  @Test func aStreamHasTheSameBlocks() async throws {
    let engine = TestModel.reasoning.engine(answering: "Hm.\n</think>\n\nForty — ☃.")
    try await TestServer.run(engine, model: .reasoning) { server in
      let reply = try await server.post("/v1/messages", Self.body(["stream": true]))
      let events = reply.chunks
      #expect(events.first?["type"] == "message_start" && events.last?["type"] == "message_stop")
      #expect(!reply.text.contains("[DONE]"))
      let deltas = events.compactMap { $0["delta"] }
      #expect(deltas.compactMap { $0["thinking"]?.string }.joined() == "Hm.")
      #expect(deltas.compactMap { $0["text"]?.string }.joined() == "Forty — ☃.")
      #expect(deltas.last?["stop_reason"] == "end_turn")
      let quiet = try await server.post("/v1/messages", Self.body(["thinking": ["type": "disabled"]]))
      #expect(quiet.json["content"] == [["type": "text", "text": "Forty — ☃."]])
    }
  }

  @Test(arguments: [false, true]) func aCallGoesAroundAndComesBack(stream: Bool) async throws {
    let engine = TestModel.tools.engine(answering: ToolTests.call)
    try await TestServer.run(engine, model: .tools) { server in
      let reply = try await server.post("/v1/messages", Self.body(["tools": [Self.weather], "stream": .bool(stream)]))
      var id: JSONValue?
      if stream {
        let start = reply.chunks.compactMap { $0["content_block"] }.first
        #expect(start?["type"] == "tool_use" && start?["name"] == "weather")
        id = start?["id"]
        let input = reply.chunks.compactMap { $0["delta"]?["partial_json"]?.string }.joined()
        #expect(try JSONValue(parsing: input) == ["town": "Bonn"])
        #expect(reply.chunks.compactMap { $0["delta"]?["stop_reason"] }.last == "tool_use")
      } else {
        let block = reply.json["content"]?.array?.first
        id = block?["id"]
        #expect(block?["input"] == ["town": "Bonn"] && reply.json["stop_reason"] == "tool_use")
      }
      let used: JSONValue = ["type": "tool_use", "id": id ?? .null, "name": "weather", "input": ["town": "Bonn"]]
      let result: JSONValue = ["type": "tool_result", "tool_use_id": id ?? .null, "content": "sun"]
      let next = try await server.post(
        "/v1/messages",
        Self.body([
          "messages": [
            ["role": "user", "content": "W"], ["role": "assistant", "content": [used]],
            ["role": "user", "content": [result]],
          ], "tools": [Self.weather],
        ]))
      #expect(next.status == 200)
      let text = try TestModel.tools.codec.tokenizer().decode(
        engine.submitted.last?.prompt.map { Int($0) } ?? [], skipSpecialTokens: true)
      #expect(text.contains("Bonn") && text.contains("tool:sun"))
    }
  }

  @Test(arguments: [false, true]) func aStopSequenceIsNamed(stream: Bool) async throws {
    let engine = TestModel.plain.engine(answering: " there was a king", finish: false)
    try await TestServer.run(engine) { server in
      let reply = try await server.post(
        "/v1/messages", Self.body(["stop_sequences": ["nowhere", "s a k"], "stream": .bool(stream)]))
      let end = stream ? reply.chunks.dropLast().last?["delta"] : reply.json
      #expect(end?["stop_reason"] == "stop_sequence" && end?["stop_sequence"] == "s a k")
    }
  }

  @Test func aLastMessageOfTheAssistantIsGoneOnWith() async throws {
    let engine = TestModel.plain.engine(answering: " upon a time")
    try await TestServer.run(engine) { server in
      let messages: JSONValue = [["role": "user", "content": "Tell."], ["role": "assistant", "content": "Once"]]
      let reply = try await server.post("/v1/messages", Self.body(["messages": messages]))
      #expect(reply.status == 200)
      #expect(engine.submitted.last?.prompt == [0] + TestModel.plain.tokens("Tell.Once"))
    }
  }

  @Test func tokensAreCounted() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x")) { server in
      let long = String(repeating: "king ", count: 2000)
      let reply = try await server.post(
        "/v1/messages/count_tokens?beta=true", ["messages": [["role": "user", "content": .string(long)]]])
      #expect(reply.json == ["input_tokens": .int(1 + TestModel.plain.tokens(long).count)])
    }
  }

  @Test func whatIsNotThereIsToldInTheApisForm() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x")) { server in
      for path in ["/v1/messages/batches", "/v1/messages/x/y", "/v1/messages/count_token"] {
        let missing = try await server.post(path, Self.body())
        #expect(
          missing.status == 404 && missing.json["type"] == "error"
            && missing.json["error"]?["type"] == "not_found_error")
      }
      let other = try await server.post("/v1/messagesX", Self.body())
      #expect(other.status == 404 && other.json["type"] == nil && other.errorCode == "unsupported_endpoint")
    }
  }

  @Test func refusalsAndKeysHaveTheApisForm() async throws {
    try await TestServer.run(
      TestModel.plain.engine(answering: " x"), configure: { $0.keys = APIKeys(["sesame"]) }
    ) { server in
      let wrong = try await server.post("/v1/messages", Self.body(), headers: ["x-api-key: open"])
      #expect(wrong.status == 401 && wrong.json["type"] == "error")
      #expect(wrong.json["error"]?["type"] == "authentication_error")
      for header in [
        "x-api-key: sesame", "Authorization: Bearer sesame", "authorization: Bearer no\r\nx-api-key: sesame",
      ] {
        #expect(try await server.post("/v1/messages", Self.body(), headers: [header]).status == 200, "\(header)")
      }
      let refused = try await server.post(
        "/v1/messages", Self.body(content: [["type": "image", "source": [:]]]), headers: ["x-api-key: sesame"])
      #expect(refused.status == 400 && refused.json["error"]?["type"] == "invalid_request_error")
      #expect(refused.json["request_id"]?.string == refused.headers["request-id"])
      let long = try await server.post(
        "/v1/messages", Self.body(content: .string(String(repeating: "king ", count: 2000))),
        headers: ["x-api-key: sesame"])
      #expect(long.errorMessage.hasPrefix("prompt is too long"))
    }
  }

  @Test func aFailureIsTheLastEvent() async throws {
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was"))
    script.failure = "rank 1 is gone"
    try await TestServer.run(FakeEngine(script)) { server in
      let reply = try await server.post("/v1/messages", Self.body(["stream": true]))
      #expect(reply.chunks.last?["type"] == "error" && reply.chunks.last?["error"]?["message"] == "rank 1 is gone")
      #expect(server.modelServer.admission.isEmpty)
    }
  }
}
