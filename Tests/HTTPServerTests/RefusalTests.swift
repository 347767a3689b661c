import EngineAPI
import Foundation
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

@Suite struct RefusalTests {
  let model = TestModel.plain

  @Test func aPromptThatDoesNotFitNamesBothNumbers() async throws {
    let engine = model.engine(answering: " x")
    engine.facts = FakeEngine.facts(positions: 20)
    try await TestServer.run(engine) { server in
      let long = try await server.complete(prompt: .array((0..<20).map { .int(5 + $0) }))
      #expect(long.status == 400 && long.errorCode == "context_length_exceeded")
      #expect(long.errorMessage.contains("20 tokens") && long.errorMessage.contains("holds 20"))
      let output = try await server.complete(["max_tokens": 16], prompt: [5, 6, 7, 8, 9])
      #expect(output.status == 400 && output.errorMessage.contains("5 tokens") && output.errorMessage.contains("16"))
      #expect(try await server.complete(["max_tokens": 15], prompt: [5, 6, 7, 8, 9]).status == 200)
      let chat = try await server.chat(["max_completion_tokens": 100])
      #expect(chat.status == 400)
      // A rank's cache can be smaller than the context.
      var facts = FakeEngine.facts(positions: 512)
      facts.cacheTokens = 8
      engine.facts = facts
      #expect(try await server.complete(prompt: [5, 6, 7, 8, 9, 10, 11, 12]).errorMessage.contains("holds 8"))
      #expect(server.modelServer.admission.isEmpty)
    }
  }

  @Test(
    arguments: [
      (#"{"model": "demo", "prompt": "x""#, "invalid_json"), (#"[1]"#, "invalid_type"), ("", "invalid_json"),
      (#"{"model": "demo"}"#, "missing_required_parameter"),
      (#"{"model": "gpt-4o", "prompt": "x"}"#, "model_not_found"),
      (#"{"model": "demo", "prompt": "x", "temprature": 1}"#, "unknown_parameter"),
      (#"{"model": "demo", "prompt": [], "max_tokens": 1}"#, "invalid_value"),
      (#"{"model": "demo", "prompt": [4098]}"#, "invalid_value"),
      (#"{"model": "demo", "prompt": "x", "max_tokens": 99999999999999999999}"#, "invalid_value"),
      (#"{"model": "demo", "prompt": "x", "logit_bias": {"4098": 1}}"#, "invalid_value"),
    ])
  func aBodyThatIsWrongIsRefusedWithItsCode(body: String, code: String) async throws {
    let engine = model.engine(answering: " x")
    try await TestServer.run(engine) { server in
      let reply = try await server.request("POST", "/v1/completions", body: Array(body.utf8))
      #expect((400...404).contains(reply.status) && reply.errorCode == code, "\(reply.text)")
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  /// Not "no JSON at byte 0", which is all that a packed body looks like.
  @Test(arguments: [
    ("Content-Encoding: gzip", 415), ("Content-Encoding: zstd", 415), ("Content-Encoding: identity", 200),
  ])
  func aPackedBodyIsRefusedAsSuch(header: String, status: Int) async throws {
    try await TestServer.run(model.engine(answering: " x")) { server in
      let body = Array(#"{"model": "demo", "prompt": "x", "max_tokens": 1}"#.utf8)
      let reply = try await server.request("POST", "/v1/completions", headers: [header], body: body)
      #expect(reply.status == status && (status == 200 || reply.errorCode == "unsupported_encoding"), "\(reply.text)")
    }
  }

  @Test func anEmptyPromptIsNothingToContinue() async throws {
    try await TestServer.run(model.engine(answering: " x"), model: .tools) { server in
      // The tokenizer's own template of tokens puts a beginning before every text, so that one is never empty.
      let reply = try await server.complete(prompt: "")
      #expect(reply.status == 200 || reply.status == 400)
    }
  }

  @Test func bodiesAndHeadersHaveLimits() async throws {
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: {
        $0.limits.bodyBytes = 1000
        $0.limits.headerBytes = 4000
      }
    ) { server in
      let large = try await server.complete(prompt: .string(String(repeating: "x", count: 1000)))
      #expect(large.status == 413 && large.errorCode == "body_too_large")
      // The same without a length that could be looked at.
      let port = server.port
      let chunked = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("POST", "/v1/completions", headers: ["Transfer-Encoding: chunked"])
        let piece = String(repeating: "x", count: 500)
        for _ in 0..<4 { try connection.send("1f4\r\n\(piece)\r\n") }
        try connection.send("0\r\n\r\n")
        return try connection.readReply()
      }
      #expect(chunked.status == 413)
      let headers = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("GET", "/health", headers: ["X-Long: " + String(repeating: "x", count: 8000)])
        return try connection.readReply()
      }
      #expect((400...431).contains(headers.status))
      #expect(try await server.get("/health").status == 200)
    }
  }

  @Test func aRequestThatComesTooSlowlyIsEnded() async throws {
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.limits.readTime = .milliseconds(300) }
    ) { server in
      let port = server.port
      let reply = try await onThread {
        let connection = try Connection(port: port)
        try connection.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        let reply = try connection.readReply()
        return (reply, connection.isClosedByServer())
      }
      #expect(reply.0.status == 408 && reply.1)
    }
  }

  @Test func aConnectionWithoutRequestsIsClosed() async throws {
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.limits.idleTime = .milliseconds(300) }
    ) { server in
      let port = server.port
      let isClosed = try await onThread {
        let idle = try Connection(port: port)
        let trickling = try Connection(port: port)
        try trickling.send("GET /health HT")
        return idle.isClosedByServer() && trickling.isClosedByServer()
      }
      #expect(isClosed)
    }
  }

  @Test func whatIsNoHTTPIsRefused() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server in
      let port = server.port
      let reply = try await onThread {
        let connection = try Connection(port: port)
        try connection.send("\u{16}\u{3}\u{1} this is no request\r\n\r\n")
        return try connection.readReply()
      }
      #expect(reply.status == 400)
      #expect(try await server.get("/health").status == 200)
    }
  }

  @Test func keysAreNeededWhereThereAreSome() async throws {
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: { $0.keys = APIKeys(["secret-1", "secret-2"]) }
    ) { server in
      for path in ["/", "/health", "/ready", "/version"] {
        #expect(try await server.get(path).status == 200, "\(path) is open")
      }
      for path in ["/v1/models", "/metrics", "/cluster"] {
        let refused = try await server.get(path)
        #expect(refused.status == 401 && refused.errorCode == "invalid_api_key")
        #expect(refused.headers["www-authenticate"] == "Bearer")
        #expect(try await server.get(path, headers: ["Authorization: Bearer secret-2"]).status == 200)
        #expect(try await server.get(path, headers: ["authorization: bearer  secret-1"]).status == 200)
      }
      for wrong in ["Bearer secret", "Bearer secret-12", "Basic secret-1", "secret-1", "Bearer ", "Bearer"] {
        #expect(try await server.get("/v1/models", headers: ["Authorization: \(wrong)"]).status == 401, "\(wrong)")
      }
      #expect(try await server.chat().status == 401)
    }
  }
}

@Suite struct StartTests {
  @Test func whatCannotBeListenedOnIsNamed() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: "x")) { server in
      let taken = server.port
      await #expect {
        try await TestServer.run(TestModel.plain.engine(answering: "x"), configure: { $0.port = taken }) { _ in }
      } throws: { "\($0)".contains("port \(taken)") }
      await #expect {
        try await TestServer.run(
          TestModel.plain.engine(answering: "x"), configure: { $0.host = "no.such.host.invalid" }
        ) { _ in }
      } throws: { "\($0)".contains("no.such.host.invalid") }
    }
  }

  @Test func aServerNeedsANameForItsModel() throws {
    let configuration = ServerConfiguration(modelNames: [], codec: TestModel.plain.codec, stopTokens: [])
    #expect(throws: ServerError.noModelName) {
      try ModelServer(engine: TestModel.plain.engine(answering: "x"), configuration: configuration)
    }
  }
}
