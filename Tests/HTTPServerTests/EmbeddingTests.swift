import EngineAPI
import Foundation
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

/// `POST /v1/embeddings` over a scripted engine, whose vectors have four numbers.
@Suite struct EmbeddingTests {
  let model = TestModel.plain

  private static func normalized(_ vector: [Float]) -> [Float] {
    let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return vector.map { Float(Double($0) / length) }
  }

  /// The vectors of an answer, in its order.
  private static func vectors(_ json: JSONValue) -> [[Float]] {
    (json["data"]?.array ?? []).enumerated().map { i, entry in
      #expect(entry["object"] == "embedding" && entry["index"]?.exactInt == i)
      if let text = entry["embedding"]?.string {
        let bytes = [UInt8](Data(base64Encoded: text) ?? Data())
        return stride(from: 0, to: bytes.count, by: 4).map { at in
          Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) })
        }
      }
      return entry["embedding"]?.array?.compactMap { $0.number.flatMap { Float($0.text) } } ?? []
    }
  }

  @Test func vectorsComeInTheOrderOfTheInputs() async throws {
    let engine = FakeEngine(FakeEngine.Script([]))
    try await TestServer.run(engine) { server in
      let texts = ["Once upon a time", "there", "a king"]
      let reply = try await server.post("/v1/embeddings", ["input": .array(texts.map { .string($0) }), "user": "me"])
      #expect(reply.status == 200 && reply.headers["content-type"] == "application/json")
      let prompts = Dictionary(uniqueKeysWithValues: engine.submitted.map { ($0.id.value, $0.prompt) })
      let ordered = prompts.sorted { $0.key < $1.key }.map(\.value)
      #expect(Self.vectors(reply.json) == ordered.map { Self.normalized(FakeEngine.vector($0, .last)) })
      #expect(engine.submitted.allSatisfy { $0.maxNewTokens == 0 && $0.pooling == .last })
      #expect(reply.json["object"] == "list" && reply.json["model"] == "demo")
      #expect(reply.json["pooling"] == "last" && reply.json["normalized"] == true)
      let count = ordered.reduce(0) { $0 + $1.count }
      #expect(reply.json["usage"] == ["prompt_tokens": .int(count), "total_tokens": .int(count)])
      // The tokenizer's own token before the text is there, unless it is not wanted.
      let plain = try await server.post("/v1/embeddings", ["input": "there", "add_special_tokens": false])
      #expect(
        plain.status == 200 && engine.submitted.last?.prompt == model.tokens("there")
          && ordered[1].count == model.tokens("there").count + 1)
    }
  }

  @Test(
    arguments: [
      ([1, 2, 3], 1), ([[1, 2, 3], [7]], 2), (["a", [5, 6]], 2), ("a", 1), (["a"], 1),
    ] as [(JSONValue, Int)])
  func inputsOfEveryKindAreTaken(input: JSONValue, count: Int) async throws {
    try await TestServer.run(FakeEngine(FakeEngine.Script([]))) { server in
      let reply = try await server.request(
        "POST", "/v1/embeddings", body: Array(JSONValue.object(JSONObject([("input", input)])).text().utf8))
      #expect(reply.status == 200 && Self.vectors(reply.json).count == count, "no model has to be named")
    }
  }

  @Test func bothEncodingsHoldTheSameNumbers() async throws {
    try await TestServer.run(FakeEngine(FakeEngine.Script([]))) { server in
      func ask(_ extra: [String: JSONValue]) async throws -> [[Float]] {
        var body: JSONObject = JSONObject([("input", [[3, 9], [11]])])
        for (key, value) in extra { body[key] = value }
        let reply = try await server.post("/v1/embeddings", .object(body))
        #expect(reply.status == 200)
        return Self.vectors(reply.json)
      }
      let floats = try await ask([:])
      #expect(try await ask(["encoding_format": "float"]) == floats)
      #expect(try await ask(["encoding_format": "base64"]) == floats)
      #expect(try await ask(["dimensions": 4]) == floats)
      #expect(try await ask(["dimensions": 2]) == [[9, 2], [11, 1]].map { Self.normalized($0) })
      #expect(try await ask(["normalize": false]) == [[9, 2, -0.5, 0.1], [11, 1, -0.5, 0.1]])
      #expect(try await ask(["normalize": false, "pooling": "mean"]) == [[12, 2, -0.5, 0.1], [11, 1, -0.5, 0.1]])
    }
    try await TestServer.run(FakeEngine(FakeEngine.Script([])), configure: { $0.pooling = .mean }) { server in
      let reply = try await server.post("/v1/embeddings", ["input": [3, 9], "normalize": false])
      #expect(
        Self.vectors(reply.json) == [[12, 2, -0.5, 0.1]] && reply.json["pooling"] == "mean"
          && reply.json["normalized"] == false)
    }
  }

  @Test(
    arguments: [
      ([:], "input"), (["input": ""], "input"), (["input": []], "input"), (["input": ["a", ""]], "input[1]"),
      (["input": [[]]], "input[0]"),
      (["input": 5], "input"), (["input": ["a", 5]], "input[1]"), (["input": [5000]], "input[0]"),
      (["input": [-1]], "input[0]"),
      (["input": [.double(1.5)]], "input[0]"), (["input": "a", "encoding_format": "hex"], "encoding_format"),
      (["input": "a", "dimensions": 0], "dimensions"), (["input": "a", "dimensions": 5], "dimensions"),
      (["input": "a", "pooling": "max"], "pooling"), (["input": "a", "stream": true], "stream"),
      (["input": "a", "normalise": true], "normalise"), (["input": "a", "normalize": "yes"], "normalize"),
    ] as [(JSONValue, String)])
  func whatCannotBeIsRefusedByName(body: JSONValue, param: String) async throws {
    let engine = FakeEngine(FakeEngine.Script([]))
    try await TestServer.run(engine) { server in
      let reply = try await server.post("/v1/embeddings", body)
      #expect(reply.status == 400 && reply.json["error"]?["param"]?.string == param, "\(reply.json.text())")
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  @Test func limitsAreToldBeforeTheWork() async throws {
    let engine = FakeEngine(FakeEngine.Script([]))
    try await TestServer.run(engine) { server in
      let long = try await server.post("/v1/embeddings", ["input": .array(Array(repeating: 5, count: 513))])
      #expect(long.status == 400 && long.errorCode == "context_length_exceeded")
      #expect(try await server.post("/v1/embeddings", ["input": .array(Array(repeating: 5, count: 512))]).status == 200)
      let many = try await server.post("/v1/embeddings", ["input": .array(Array(repeating: "a", count: 2049))])
      #expect(many.status == 400 && many.errorMessage.contains("2048"))
      #expect(
        try await server.post("/v1/embeddings", ["input": "a", "model": "nobody"]).errorCode == "model_not_found")
      #expect(try await server.get("/v1/embeddings").status == 405)
      var facts = FakeEngine.facts()
      facts.hiddenSize = 1 << 20
      engine.facts = facts
      let large = try await server.post("/v1/embeddings", ["input": .array(Array(repeating: "a", count: 9))])
      #expect(large.status == 400 && large.errorMessage.contains("'dimensions'"))
    }
  }

  /// More than the engine has places for: they take their turns, and no place is kept afterwards.
  @Test func manyInputsTakeTurns() async throws {
    let engine = FakeEngine(FakeEngine.Script([]))
    engine.facts = FakeEngine.facts(sequences: 8)
    try await TestServer.run(engine, configure: { $0.limits.queue = 0 }) { server in
      let inputs = (1...50).map { JSONValue.array([.int($0), .int(2 * $0)]) }
      let reply = try await server.post("/v1/embeddings", ["input": .array(inputs), "normalize": false])
      #expect(Self.vectors(reply.json).map { $0[0] } == (1...50).map { Float(2 * $0) })
      #expect(engine.submitted.count == 50 && Set(engine.submitted.map(\.id)).count == 4)
      #expect(server.modelServer.admission.isEmpty && engine.active.isEmpty)
    }
  }

  @Test func failuresAndWrongVectorsAreErrors() async throws {
    var failing = FakeEngine.Script([])
    failing.failure = "the hidden states are not finite"
    var wrong = FakeEngine.Script([])
    wrong.vector = { _, _ in [1] }
    for script in [failing, wrong] {
      try await TestServer.run(FakeEngine(script)) { server in
        let reply = try await server.post("/v1/embeddings", ["input": ["a", "b"]])
        #expect(reply.status == 500 && reply.errorCode == "internal_error")
        #expect(server.modelServer.admission.isEmpty && server.engine.active.isEmpty)
      }
    }
  }

  @Test func aVectorOfZerosStaysOne() async throws {
    var script = FakeEngine.Script([])
    script.vector = { _, _ in [0, 0, 0, 0] }
    try await TestServer.run(FakeEngine(script)) { server in
      let reply = try await server.post("/v1/embeddings", ["input": "a"])
      #expect(Self.vectors(reply.json) == [[0, 0, 0, 0]])
    }
  }
}
