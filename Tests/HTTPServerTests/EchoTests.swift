import EngineAPI
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

/// Prompts that are repeated with their log-probabilities, as evaluation harnesses ask for.
@Suite struct EchoTests {
  let model = TestModel.plain

  /// The logprobs of a choice, put together from its chunks.
  private struct Logprobs {
    var text = ""
    var tokens: [String] = []
    var values: [Double?] = []
    var top: [JSONObject?] = []
    var offsets: [Int] = []
    var finish: String?

    init(_ choices: [JSONValue], index: Int = 0) {
      for choice in choices where choice["index"]?.exactInt == index {
        text += choice["text"]?.string ?? ""
        tokens += choice["logprobs"]?["tokens"]?.array?.compactMap(\.string) ?? []
        values += choice["logprobs"]?["token_logprobs"]?.array?.map(\.double) ?? []
        top += choice["logprobs"]?["top_logprobs"]?.array?.map(\.object) ?? []
        offsets += choice["logprobs"]?["text_offset"]?.array?.compactMap(\.exactInt) ?? []
        finish = choice["finish_reason"]?.string ?? finish
      }
    }

    func shows(_ token: Int) -> Bool {
      let scalars = Array(text.unicodeScalars)
      return scalars.dropFirst(offsets[token]).starts(with: Array(tokens[token].unicodeScalars))
    }
  }

  @Test(arguments: [false, true]) func aPromptComesWithItsLogprobs(stream: Bool) async throws {
    let engine = model.engine(answering: " there was")
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(
        ["echo": true, "logprobs": 2, "max_tokens": 1, "stream": .bool(stream)], prompt: "Once upon")
      #expect(reply.status == 200)
      let told = Logprobs(reply.choices)
      let prompt = engine.submitted[0].prompt
      #expect(engine.submitted[0].promptLogprobs == 2 && engine.submitted[0].details.topLogprobs == 2)
      #expect(told.text == "Once upon there" && told.finish == "length")
      #expect(told.tokens.suffix(2).joined() == " upon there")
      #expect(told.values == [nil] + (1..<prompt.count).map { -Double($0) / 4 } + [-0.5])
      #expect(told.top[0] == nil && told.top.count == told.tokens.count)
      // Token 1 is none of the two most probable, but told with them; token 2 is.
      #expect(told.top[1]?.count == 3 && told.top[1]?[told.tokens[1]] == .double(-0.25))
      #expect(told.top[2]?.count == 2 && told.top[2]?[told.tokens[2]] == .double(-0.5))
      // What the tokenizer put before the text is not in it.
      #expect(told.offsets[0] == 0 && told.offsets[1] == 0)
      #expect(told.offsets.indices.dropFirst().allSatisfy { told.shows($0) })
    }
  }

  @Test(arguments: [false, true]) func nothingIsSampledForAPromptThatIsOnlyScored(stream: Bool) async throws {
    let engine = model.engine(answering: " there")
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(
        [
          "echo": true, "logprobs": 1, "max_tokens": 0, "n": 2, "stream": .bool(stream),
          "stream_options": stream ? ["include_usage": true] : .null,
        ],
        prompt: [[10, 11], [12, 13, 14], [15]])
      #expect(reply.status == 200)
      for (index, count) in [2, 2, 3, 3, 1, 1].enumerated() {
        let told = Logprobs(reply.choices, index: index)
        #expect(told.values == [nil] + (1..<count).map { -Double($0) / 4 })
        #expect(told.tokens.joined() == told.text && told.finish == "length")
      }
      let usage = try #require(stream ? reply.chunks.last?["usage"] : reply.json["usage"])
      #expect(usage["completion_tokens"] == 0 && usage["prompt_tokens"] == 6)
      #expect(engine.submitted.allSatisfy { $0.maxNewTokens == 0 && $0.promptLogprobs == 1 })
      #expect(engine.submitted.count == 6)
      try await server.eventually("a place is still taken") { server.modelServer.admission.isEmpty }
    }
  }

  /// The request of lm-evaluation-harness's `local-completions`, and what it reads of the reply.
  @Test func aHarnessFindsTheLikelihoodOfAContinuation() async throws {
    let (context, continuation) = (model.tokens("Once upon a"), model.tokens(" time there"))
    let engine = model.engine(answering: " was")
    try await TestServer.run(engine) { server in
      let ids = JSONValue.array((context + continuation).map { .int(Int($0)) })
      let reply = try await server.complete(
        ["temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true], prompt: [ids, ids])
      for index in 0..<2 {
        let told = Logprobs(reply.choices, index: index)
        #expect(told.values.count == context.count + continuation.count + 1)
        let scores = told.values[context.count..<told.values.count - 1]
        #expect(scores.compactMap { $0 } == (0..<continuation.count).map { -Double(context.count + $0) / 4 })
        let greedy = zip(scores, told.top[context.count...]).map { score, top in
          score == top?.members.compactMap(\.value.double).max()
        }
        #expect(greedy == continuation.indices.map { (context.count + $0) % 2 == 0 })
      }
    }
  }

  @Test(arguments: [false, true]) func offsetsPointAtTheTokensOfAnyText(asTokens: Bool) async throws {
    let text = "Na\u{EF}ve ☃☃ <｜end▁of▁sentence｜>e\u{301}\r\n🙂 — x"
    let ids = model.tokens(text)
    try #require(ids.contains(1), "the test needs a special token in its text")
    try await TestServer.run(model.engine(answering: " ☃ there")) { server in
      let reply = try await server.complete(
        ["echo": true, "logprobs": 0, "max_tokens": 20],
        prompt: asTokens ? .array(ids.map { .int(Int($0)) }) : .string(text))
      let told = Logprobs(reply.choices)
      #expect(told.text == text + " ☃ there")
      #expect(told.offsets == told.offsets.sorted())
      // Tokens that are parts of characters have no text of their own, nor has the one that ends the text.
      let shown = told.tokens.indices.dropFirst(asTokens ? 0 : 1).dropLast()
      let whole = shown.filter { !told.tokens[$0].contains("\u{FFFD}") }
      #expect(whole.count > 5 && whole.allSatisfy { told.shows($0) })
      let last = told.offsets.last
      #expect(last == told.text.unicodeScalars.count)
    }
  }

  @Test func aPromptOfBrokenCharactersIsShownWithReplacements() async throws {
    let snowman = model.tokens("☃")
    try #require(snowman.count > 1, "the test needs a character of several tokens")
    let ids = JSONValue.array([.int(Int(snowman[0])), .int(Int(model.tokens("x")[0])), .int(Int(snowman[0]))])
    try await TestServer.run(model.engine(answering: " there")) { server in
      let reply = try await server.complete(["echo": true, "logprobs": 0, "max_tokens": 0], prompt: ids)
      let told = Logprobs(reply.choices)
      #expect(told.text == "\u{FFFD}x\u{FFFD}" && told.values.count == 3 && told.offsets.last == 2)
    }
  }

  @Test func aPromptThatIsOnlyScoredMayFillTheContext() async throws {
    let engine = model.engine(answering: " there")
    engine.facts = FakeEngine.facts(positions: 4)
    try await TestServer.run(engine) { server in
      let options: JSONValue = ["echo": true, "logprobs": 1, "max_tokens": 0]
      let fitting = try await server.complete(options, prompt: [5, 6, 7, 8])
      #expect(fitting.status == 200)
      let refused = try await server.complete(options, prompt: [5, 6, 7, 8, 9])
      #expect(refused.status == 400 && refused.errorCode == "context_length_exceeded")
      let full = try await server.complete(["echo": true, "logprobs": 1, "max_tokens": 1], prompt: [5, 6, 7, 8])
      #expect(full.status == 400 && full.errorCode == "context_length_exceeded")
      let unknown = try await server.complete(options, prompt: [4095, 4096])
      #expect(unknown.status == 400 && engine.submitted.count == 1)
    }
  }

  @Test(arguments: [false, true]) func aPromptThatIsOnlyRepeatedHasToBeInTheContext(stream: Bool) async throws {
    let engine = model.engine(answering: " there")
    engine.facts = FakeEngine.facts(positions: 4)
    try await TestServer.run(engine) { server in
      let options: JSONValue = ["echo": true, "max_tokens": 0, "stream": .bool(stream)]
      #expect(try await server.complete(options, prompt: [5, 6, 7, 8]).status == 200)
      let refused = try await server.complete(options, prompt: [5, 6, 7, 8, 9])
      #expect(refused.status == 400 && refused.errorCode == "context_length_exceeded")
    }
  }

  @Test(arguments: [0, 1]) func anAnswerRepeatsOnlySoMuch(maxTokens: Int) async throws {
    let engine = model.engine(answering: " there")
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    let king = JSONValue.int(Int(model.tokens(" king")[0]))
    let prompt = JSONValue.array(Array(repeating: king, count: 15_000))
    let prompts = JSONValue.array([prompt, prompt])
    try await TestServer.run(engine) { server in
      let options: JSONValue = ["echo": true, "max_tokens": .int(maxTokens), "n": 128]
      let refused = try await server.complete(options, prompt: prompts)
      #expect(refused.status == 400 && refused.json["error"]?["param"] == "echo")
      #expect(refused.errorMessage.contains("128") && refused.errorMessage.contains("16777216"))
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  @Test func anAnswerTellsOnlySoManyLogProbabilities() async throws {
    let engine = model.engine(answering: " there")
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    let prompt = JSONValue.array(Array(repeating: 5, count: 50_000))
    try await TestServer.run(engine) { server in
      let refused = try await server.complete(["echo": true, "max_tokens": 0, "logprobs": 20], prompt: prompt)
      #expect(refused.status == 400 && refused.json["error"]?["param"] == "logprobs")
      #expect(refused.errorMessage.contains("1050000") && refused.errorMessage.contains("1048576"))
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  @Test(arguments: [false, true], 0..<4)
  func anEngineThatScoresAmissIsNotBelieved(stream: Bool, fault: Int) async throws {
    var script = FakeEngine.Script(model.tokens(" there") + [1])
    script.scores = { scores in
      switch fault {
      case 0: nil
      case 1: scores.dropLast()
      case 2: scores.map { SampledToken($0.token + 1, logprob: $0.logprob) }
      default: scores.map { SampledToken($0.token) }
      }
    }
    try await TestServer.run(FakeEngine(script)) { server in
      let reply = try await server.complete(["echo": true, "logprobs": 1, "stream": .bool(stream)])
      if stream {
        #expect(reply.chunks.last?["error"]?["type"] == "server_error")
        #expect(Logprobs(reply.choices).text == "")
      } else {
        #expect(reply.status == 500)
      }
      try await server.eventually("a place is still taken") { server.modelServer.admission.isEmpty }
    }
  }

  @Test func withoutEchoNoPromptIsScored() async throws {
    let engine = model.engine(answering: " there")
    try await TestServer.run(engine) { server in
      let scored = try await server.complete(["logprobs": 1])
      let echoed = try await server.complete(["echo": true])
      let empty = try await server.complete(["logprobs": 1, "max_tokens": 0])
      #expect(scored.status == 200 && echoed.status == 200 && empty.status == 400)
      #expect(engine.submitted.map(\.promptLogprobs) == [nil, nil])
    }
  }
}
