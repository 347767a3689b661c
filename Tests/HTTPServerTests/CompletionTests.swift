import EngineAPI
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

@Suite struct CompletionTests {
  let model = TestModel.plain

  @Test(arguments: [false, true]) func aTextIsContinued(stream: Bool) async throws {
    let engine = model.engine(answering: " there was a king")
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(["max_tokens": 100, "stream": .bool(stream)])
      #expect(reply.status == 200)
      let choices = reply.choices
      #expect(choices.compactMap { $0["text"]?.string }.joined() == " there was a king")
      #expect(choices.last?["finish_reason"] == "stop")
      #expect(engine.submitted.last?.prompt == [0] + TestModel.plain.tokens("Once upon a time"))
    }
  }

  @Test func withoutALimitThereAreSixteenTokensOrWhatFits() async throws {
    let engine = model.engine(answering: String(repeating: " king", count: 40))
    try await TestServer.run(engine) { server in
      let reply = try await server.complete()
      #expect(reply.json["choices"]?.array?[0]["finish_reason"] == "length")
      #expect(reply.json["usage"]?["completion_tokens"] == 16)
      engine.facts = FakeEngine.facts(positions: 10)
      let short = try await server.complete(prompt: [5, 6, 7, 8, 9, 10])
      #expect(short.json["usage"]?["completion_tokens"] == 4)
    }
  }

  @Test(arguments: [false, true]) func promptsHaveTheirOwnContinuationsInOrder(stream: Bool) async throws {
    let model = model
    let engine = FakeEngine { request in
      FakeEngine.Script(model.tokens(" \(request.prompt.last ?? 0)/\(request.sampling.seed)") + [1])
    }
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(
        ["n": 2, "seed": 8, "max_tokens": 50, "stream": .bool(stream)], prompt: [[10, 11], [12, 13, 14]])
      var texts = ["", "", "", ""]
      let choices = reply.choices
      for choice in choices { texts[choice["index"]?.exactInt ?? 0] += choice["text"]?.string ?? "" }
      // A prompt's continuation does not depend on what else is asked for.
      #expect(texts == [" 11/8", " 11/9", " 14/8", " 14/9"])
      if !stream { #expect(reply.json["usage"]?["prompt_tokens"] == 5) }
    }
  }

  @Test(arguments: [false, true]) func theEchoComesFirst(stream: Bool) async throws {
    let engine = model.engine(answering: " there")
    try await TestServer.run(engine) { server in
      let options: JSONValue = ["echo": true, "max_tokens": 9, "stream": .bool(stream)]
      let reply = try await server.complete(options, prompt: "Once — ")
      let choices = reply.choices
      #expect(choices.compactMap { $0["text"]?.string }.joined() == "Once —  there")
      let measured = try await server.complete(
        ["echo": true, "max_tokens": 0, "stream": .bool(stream)], prompt: "Once")
      let only = stream ? measured.chunks.first?["choices"]?.array?[0] : measured.json["choices"]?.array?[0]
      #expect(only?["text"] == "Once" && only?["finish_reason"] == "length")
      #expect(engine.submitted.count == 1, "nothing is to be computed for a prompt that is only measured")
      try await server.eventually("a place is still taken") { server.modelServer.admission.isEmpty }
    }
  }

  @Test(arguments: [false, true]) func logprobsHaveOffsetsIntoTheText(stream: Bool) async throws {
    try await TestServer.run(model.engine(answering: " there was")) { server in
      let reply = try await server.complete(["logprobs": 3, "stream": .bool(stream), "max_tokens": 50])
      let choices = reply.choices
      let tokens = choices.flatMap { $0["logprobs"]?["tokens"]?.array ?? [] }
      let offsets = choices.flatMap { $0["logprobs"]?["text_offset"]?.array?.compactMap(\.exactInt) ?? [] }
      #expect(tokens.prefix(2) == [" there", " was"] && offsets.prefix(3) == [0, 6, 10])
      #expect(choices[0]["logprobs"]?["top_logprobs"]?.array?[0].object?.count == 3)
    }
  }

  @Test func aCharacterThatNeverBecomesWholeIsShownAsReplacement() async throws {
    // The first byte of ☃ alone: its token, without those that follow.
    let snowman = TestModel.plain.tokens("☃")
    try #require(snowman.count > 1, "the test needs a character of several tokens")
    try await TestServer.run(FakeEngine(FakeEngine.Script([snowman[0], 1]))) { server in
      let reply = try await server.complete()
      #expect(reply.json["choices"]?.array?[0]["text"] == "\u{FFFD}")
    }
  }

  @Test func tokensBeyondTheTokenizerAreNoText() async throws {
    var script = FakeEngine.Script([5000] + TestModel.plain.tokens(" ok") + [1])
    script.delay = .milliseconds(1)
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(vocabulary: 6000)
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(["logprobs": 0])
      #expect(reply.status == 200 && reply.json["choices"]?.array?[0]["text"] == " ok")
    }
  }

  @Test func endOfTextCanBeIgnored() async throws {
    let tokens = TestModel.plain.tokens(" one") + [1] + TestModel.plain.tokens(" two")
    var script = FakeEngine.Script(tokens)
    script.finish = nil
    let engine = FakeEngine(script)
    try await TestServer.run(engine) { server in
      let reply = try await server.complete(["ignore_eos": true, "max_tokens": .int(tokens.count)])
      #expect(reply.json["choices"]?.array?[0]["text"] == " one two")
      #expect(reply.json["choices"]?.array?[0]["finish_reason"] == "length")
      #expect(engine.submitted.last?.stopTokens == [])
    }
  }
}
