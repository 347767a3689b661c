import EngineAPI
import HTTPConnection
import JSON
import OpenAIProtocol
import Testing

@testable import HTTPServer

/// What clients take for granted beyond the API's letter.
@Suite struct ClientTests {
  @Test func aRequestNeedNotNameTheModel() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x")) { server in
      for model: JSONValue in [.null, ""] {
        let bodies: [(String, JSONValue)] = [
          ("/v1/chat/completions", ["model": model, "messages": [["role": "user", "content": "a"]]]),
          ("/v1/completions", ["model": model, "prompt": "a"]), ("/v1/responses", ["model": model, "input": "a"]),
          ("/v1/messages", ["model": model, "max_tokens": 3, "messages": [["role": "user", "content": "a"]]]),
        ]
        for (path, body) in bodies {
          let reply = try await server.request("POST", path, body: Array(body.text().utf8))
          #expect(reply.status == 200 && reply.json["model"] == "demo", "\(path)")
        }
      }
      #expect(try await server.chat(["model": "nobody"]).errorCode == "model_not_found")
    }
  }

  @Test(arguments: [false, true]) func usageIsToldInEveryChunk(isChat: Bool) async throws {
    let answer = " there was a king"
    try await TestServer.run(TestModel.plain.engine(answering: answer)) { server in
      let options: JSONValue = [
        "stream": true, "stream_options": ["include_usage": true, "continuous_usage_stats": true],
      ]
      let reply = isChat ? try await server.chat(options) : try await server.complete(options)
      let counts = reply.chunks.map { $0["usage"]?["completion_tokens"]?.exactInt }
      #expect(!counts.contains(nil) && counts.compactMap { $0 } == counts.compactMap { $0 }.sorted())
      #expect(counts.first == 1 && counts.last == TestModel.plain.tokens(answer).count + 1)
      #expect(Set(reply.chunks.compactMap { $0["usage"]?["prompt_tokens"]?.exactInt }).count == 1)
    }
  }

  @Test func theServersSamplingHoldsWhereARequestSaysNothing() async throws {
    let engine = TestModel.plain.engine(answering: " x")
    var sampling = OpenAIProtocol.SamplingOptions()
    (sampling[.temperature], sampling[.topP], sampling[.topK], sampling[.repetitionPenalty]) = (0.6, 0.95, 20, 1.05)
    try await TestServer.run(engine, configure: { [sampling] in $0.sampling = sampling }) { server in
      let bodies: [(String, JSONValue)] = [
        ("/v1/chat/completions", ["messages": [["role": "user", "content": "a"]]]),
        ("/v1/completions", ["prompt": "a"]),
        ("/v1/responses", ["input": "a"]),
        ("/v1/messages", ["max_tokens": 3, "messages": [["role": "user", "content": "a"]]]),
      ]
      for (path, body) in bodies {
        _ = try await server.post(path, body)
        let used = try #require(engine.submitted.last?.sampling)
        #expect(
          used.temperature == 0.6 && used.topP == 0.95 && used.topK == 20 && used.repetitionPenalty == 1.05, "\(path)")
      }
      _ = try await server.chat(["temperature": 0, "top_k": 0, "top_p": 1, "repetition_penalty": 1])
      let used = try #require(engine.submitted.last?.sampling)
      #expect(used.temperature == 0 && used.topP == 1 && used.topK == 0 && used.repetitionPenalty == 1)
      let model = try await server.get("/v1/models/demo")
      #expect(model.json["default_sampling"]?["temperature"]?.double == 0.6)
      #expect(model.json["default_sampling"]?["top_k"] == 20)
    }
  }

  @Test func modelsAreListedForBothApis() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x"), configure: { $0.created = 1_700_000_000 }) {
      server in
      let list = try await server.get("/v1/models?limit=1000").json
      #expect(list["has_more"] == false && list["first_id"] == "demo" && list["last_id"] == "other")
      let model = list["data"]?.array?.first
      #expect(
        model?["type"] == "model" && model?["display_name"] == "demo" && model?["created_at"] == "2023-11-14T22:13:20Z")
    }
  }
}
