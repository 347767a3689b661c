import EngineAPI
import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

/// Clients that leave, dawdle or come in crowds.
@Suite struct LoadTests {
  let model = TestModel.plain

  /// An engine whose sequences go on until they are cancelled.
  private func endless(delay: Duration = .milliseconds(5), behind gate: Gate? = nil) -> FakeEngine {
    var script = FakeEngine.Script(Array(repeating: model.tokens(" king")[0], count: 100_000))
    (script.delay, script.finish) = (delay, nil)
    if let gate { script.isHeld = { gate.isClosed } }
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    return engine
  }

  @Test(arguments: [false, true]) func aClientThatLeavesFreesItsSequences(stream: Bool) async throws {
    let engine = endless()
    // However late it leaves, it is not too slow before.
    try await TestServer.run(
      engine, configure: { ($0.limits.bufferedTokens, $0.limits.stallTime) = (1 << 20, .seconds(600)) }
    ) { server in
      let port = server.port
      let body = TestServer.bytes(TestServer.chatBody(["stream": .bool(stream), "n": 2]))
      let connection = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("POST", "/v1/chat/completions", body: body)
        if stream { _ = try connection.read(until: "king") }
        return connection
      }
      try await server.eventually("the sequences have not begun") { engine.active.count == 2 }
      connection.close()
      try await server.eventually("the sequences go on") { engine.active.isEmpty }
      #expect(engine.cancelled.count == 2)
      try await server.eventually("their places are still taken") { server.modelServer.admission.isEmpty }
      try await server.eventually("it is not counted") { server.modelServer.metrics.current.departures == 1 }
      #expect(server.modelServer.metrics.current.slowClients == 0)
    }
  }

  @Test func aClientThatLeavesBeforeTheFirstTokenFreesItsSequence() async throws {
    var script = FakeEngine.Script(model.tokens(" king"))
    script.firstDelay = .seconds(1200)
    let engine = FakeEngine(script)
    try await TestServer.run(engine) { server in
      let port = server.port
      let connection = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("POST", "/v1/chat/completions", body: TestServer.bytes(TestServer.chatBody()))
        return connection
      }
      try await server.eventually("the sequence has not begun") { engine.active.count == 1 }
      // Closing the sending half only: it cannot be told from closing both.
      connection.closeSending()
      try await server.eventually("the sequence goes on") { engine.active.isEmpty }
      try await server.eventually("its place is still taken") { server.modelServer.admission.isEmpty }
    }
  }

  @Test func aConnectionServesOneRequestAfterTheOther() async throws {
    try await TestServer.run(model.engine(answering: " there was")) { server in
      let port = server.port
      let texts = try await onThread {
        let connection = try Connection(port: port)
        let body = TestServer.bytes(TestServer.chatBody())
        // Two at once, then a third.
        for _ in 0..<2 { try connection.sendRequest("POST", "/v1/chat/completions", body: body) }
        var replies = try (0..<2).map { _ in try connection.readReply() }
        try connection.sendRequest("POST", "/v1/chat/completions", body: body)
        replies.append(try connection.readReply())
        return replies.map { $0.choices.first?["message"]?["content"] }
      }
      #expect(texts == [" there was", " there was", " there was"])
    }
  }

  @Test func whatTheQueueCannotHoldIsRefused() async throws {
    // A token each: nobody reads on, and who is behind would be cut off.
    let engine = endless(behind: Gate())
    var facts = FakeEngine.facts(positions: 1 << 20)
    facts.sequences = 1
    engine.facts = facts
    try await TestServer.run(engine, configure: { $0.limits.queue = 1 }) { server in
      let port = server.port
      let body = TestServer.bytes(TestServer.chatBody(["stream": true]))
      let connections = try await onThread {
        try (0..<2).map { _ in
          let connection = try Connection(port: port)
          try connection.sendRequest("POST", "/v1/chat/completions", body: body)
          _ = try connection.read(until: "king")
          return connection
        }
      }
      let refused = try await server.chat()
      #expect(refused.status == 429 && refused.errorCode == "queue_full" && refused.headers["retry-after"] == "1")
      let many = try await server.chat(["n": 3])
      #expect(many.status == 429 || many.status == 400)
      #expect(try await server.get("/health").status == 200, "only the queue is full")
      connections[0].close()
      try await server.eventually("the place is not given back") { server.modelServer.admission.inFlight == 1 }
      let more = try await server.chat(["n": 3])
      #expect(more.status == 400 && more.errorMessage.contains("at most 2"))
      #expect(try await server.chat(["n": 2]).status == 429)
      connections[1].close()
    }
  }

  @Test func aClientThatTakesNothingIsCutOffAndStallsNobody() async throws {
    // Opened once the client has its first token: otherwise the engine might have filled the mailbox before.
    let gate = Gate()
    let engine = endless(delay: .microseconds(1), behind: gate)
    try await TestServer.run(
      engine,
      configure: {
        $0.limits.bufferedTokens = 300
        $0.limits.stallTime = .seconds(60)
      }
    ) { server in
      let slow = try await slowClient(of: server, takes: "king")
      gate.open()
      #expect(try await server.get("/health").status == 200)
      // Twenty tokens fit into a mailbox, however late they are taken.
      #expect(try await server.chat(["max_tokens": 20]).status == 200)
      try await server.eventually("the sequence of the slow client goes on") { engine.active.isEmpty }
      try await server.eventually("it is not counted") { server.modelServer.metrics.current.slowClients == 1 }
      #expect(server.modelServer.metrics.current.departures == 0, "it is counted as gone, too")
      try await server.eventually("its place is still taken") { server.modelServer.admission.isEmpty }
      slow.close()
    }
  }

  /// A client of a stream with much beside each token, which takes what comes up to `text` and then nothing.
  private func slowClient(of server: TestServer, takes text: String? = nil) async throws -> Connection {
    let port = server.port
    let body = TestServer.bytes(TestServer.chatBody(["stream": true, "logprobs": true, "top_logprobs": 20]))
    return try await onThread {
      let connection = try Connection(port: port, receiveBytes: 4096)
      try connection.sendRequest("POST", "/v1/chat/completions", body: body)
      if let text { _ = try connection.read(until: text) }
      return connection
    }
  }

  /// How a request ended whose client takes nothing of `count` tokens, some 2 KB each, and after its end leaves neither
  /// sequence nor place behind. "finished": the system kept all of them for the connection.
  private func end(
    ofSlowClientWith count: Int, delay: Duration, finish: FinishReason?,
    configure: (inout ServerLimits) -> Void,
    _ body: @Sendable (TestServer, Connection) async throws -> Void
  ) async throws -> [String] {
    var script = FakeEngine.Script(Array(repeating: model.tokens(" king")[0], count: count))
    (script.delay, script.finish) = (delay, finish)
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    return try await TestServer.run(
      engine,
      configure: {
        $0.limits.bufferedTokens = 1 << 20
        configure(&$0.limits)
      }
    ) { server in
      let slow = try await slowClient(of: server)
      try await server.eventually("the request has not come") { !engine.submitted.isEmpty }
      try await body(server, slow)
      try await server.eventually("its end is not told") { !server.modelServer.metrics.current.ends.isEmpty }
      try await server.eventually("its place is still taken") { server.modelServer.admission.isEmpty }
      let ends = server.modelServer.metrics.current.ends.map(\.key.end)
      #expect(engine.active.isEmpty, "the sequence goes on")
      withExtendedLifetime(slow) {}
      return ends
    }
  }

  /// Counts of tokens: as many as most systems do not keep for a connection, and where one does, more.
  private static let more: [Double] = [6000, 60_000]

  /// While its sequence goes on, and when it has ended already. The mailbox never overflows: only time can tell.
  @Test(arguments: [false, true]) func aClientThatStopsTakingIsCutOffInTime(hasEnded: Bool) async throws {
    let fault = await faultWithPatience(hasEnded ? Self.more : [100_000]) { count in
      let ends = try await end(
        ofSlowClientWith: Int(count), delay: hasEnded ? .zero : .microseconds(1), finish: hasEnded ? .stop : nil,
        configure: { $0.stallTime = .milliseconds(300) }
      ) { server, slow in
        let metrics = server.modelServer.metrics
        try await server.eventually("its end is not told") { !metrics.current.ends.isEmpty }
        guard metrics.current.ends.map(\.key.end) != ["finished"] else { return }
        // All frames are made by now; whoever began to take them would no longer be slow.
        try await server.eventually("the connection is still open") { server.modelServer.connections.open == 0 }
        let isClosed = try await onThread { slow.isClosedByServer() }
        #expect(isClosed)
      }
      return ends == ["client_too_slow"] ? nil : "\(ends)"
    }
    #expect(fault == nil)
  }

  /// Whether its tokens come at once, and may be one write that nothing follows, or one by one, so that whoever answers
  /// waits in the middle of them: its place is taken for as long.
  @Test(arguments: [Duration.zero, .microseconds(1)])
  func aClientThatStopsTakingIsCutOffByTheServersEnd(delay: Duration) async throws {
    let fault = await faultWithPatience(Self.more) { count in
      let ends = try await end(
        ofSlowClientWith: Int(count), delay: delay, finish: .stop,
        configure: { ($0.stallTime, $0.drainTime) = (.seconds(600), .milliseconds(200)) }
      ) { server, _ in
        try await server.eventually("the sequence goes on") { server.engine.active.isEmpty }
        server.modelServer.drain()
      }
      return ends == ["stopped"] ? nil : "\(ends)"
    }
    #expect(fault == nil)
  }

  @Test func waitingStreamsShowThatTheyLive() async throws {
    let gate = Gate()
    var script = FakeEngine.Script(model.tokens(" king") + [1])
    (script.isHeld, script.firstHeld) = ({ gate.isClosed }, 0)
    try await TestServer.run(
      FakeEngine(script), configure: { $0.limits.keepAliveTime = .milliseconds(50) }
    ) { server in
      let port = server.port
      let (before, after) = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest(
          "POST", "/v1/chat/completions", headers: ["Connection: close"],
          body: TestServer.bytes(TestServer.chatBody(["stream": true])))
        _ = try connection.read(until: "\r\n\r\n")
        // Comments, each at the beginning of a chunk.
        let before = try (0..<3).map { _ in try connection.read(until: "\n: ") }
        gate.open()
        return (before, try connection.read(until: "[DONE]"))
      }
      #expect(!before.joined().contains("king") && after.contains("king"))
    }
  }

  @Test func aFailureIsToldInTheStreamOrByItsStatus() async throws {
    var script = FakeEngine.Script(model.tokens(" there was"))
    (script.failure, script.finish) = ("the cache of rank 1 is too small", nil)
    let engine = FakeEngine(script)
    try await TestServer.run(engine) { server in
      let whole = try await server.chat()
      #expect(whole.status == 500 && whole.errorMessage.contains("rank 1"))
      let stream = try await server.chat(["stream": true, "n": 2])
      #expect(stream.status == 200)
      let last = try JSONValue(parsing: stream.frames.last ?? "")
      #expect(last["error"]?["message"]?.string?.contains("rank 1") == true)
      try await server.eventually("places are still taken") { server.modelServer.admission.isEmpty }
      #expect(server.modelServer.metrics.current.engineFailures == 2)
    }
  }

  @Test func aServerThatDrainsFinishesWhatItHasAndTakesNoMore() async throws {
    let gate = Gate()
    var script = FakeEngine.Script(model.tokens(String(repeating: " king", count: 40)) + [1])
    script.isHeld = { gate.isClosed }
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(vocabulary: 4098)
    try await TestServer.run(engine, configure: { $0.limits.drainTime = .seconds(600) }) { server in
      async let running = server.chat(["stream": true])
      try await server.eventually("the sequence has not begun") { engine.active.count == 1 }
      server.modelServer.drain()
      let refused = try await server.chat()
      #expect(refused.status == 503 && refused.errorCode == "server_stopping")
      let ready = try await server.get("/ready")
      #expect(ready.status == 503 && ready.json["state"] == "draining")
      #expect(try await server.get("/health").status == 200)
      gate.open()
      let reply = try await running
      #expect(reply.frames.last == "[DONE]")
      try await server.eventually("it still listens") { (try? Connection(port: server.port)) == nil }
    }
  }

  @Test func drainingTakesNoLongerThanItMay() async throws {
    let engine = endless()
    // Both are told so, however late they get to write or read it.
    try await TestServer.run(
      engine,
      configure: {
        $0.limits.drainTime = .milliseconds(200)
        ($0.limits.lastWordsTime, $0.limits.stallTime) = (.seconds(600), .seconds(600))
      }
    ) { server in
      async let stream = server.chat(["stream": true])
      async let whole = server.chat()
      try await server.eventually("the sequences have not begun") { engine.active.count == 2 }
      server.modelServer.drain()
      let (cut, refused) = (try await stream, try await whole)
      #expect(try JSONValue(parsing: cut.frames.last ?? "")["error"]?["code"] == "server_stopping")
      #expect(refused.status == 503)
      #expect(engine.active.isEmpty)
    }
  }

  @Test func aCrowdGetsWhatItAskedFor() async throws {
    let model = model
    let engine = FakeEngine { request in
      var script = FakeEngine.Script(model.tokens(" answer \(request.sampling.seed)") + [1])
      script.delay = .milliseconds(Int(request.sampling.seed % 5))
      return script
    }
    try await TestServer.run(engine) { server in
      let wrong = await withTaskGroup(of: String?.self) { group in
        for i in 0..<200 {
          group.addTask {
            do { return try await Self.mixedRequest(i, server) ? nil : "\(i)" } catch { return "\(i): \(error)" }
          }
        }
        return await group.reduce(into: [String]()) { wrong, outcome in if let outcome { wrong.append(outcome) } }
      }
      #expect(wrong == [])
      // A client that left at once may come to the engine after all others.
      try await server.eventually("places are still taken, or sequences go on") {
        server.modelServer.admission.isEmpty && engine.active.isEmpty
      }
    }
  }

  /// The i-th of a mixture of chats, completions, streams, refusals and clients that leave.
  private static func mixedRequest(_ i: Int, _ server: TestServer) async throws -> Bool {
    let seed = JSONValue.int(1000 + i)
    switch i % 7 {
    case 0:
      let reply = try await server.chat(["seed": seed])
      return reply.json["choices"]?.array?.first?["message"]?["content"]?.string == " answer \(1000 + i)"
    case 1:
      let reply = try await server.chat(["seed": seed, "stream": true])
      let text = reply.chunks.compactMap { $0["choices"]?.array?.first?["delta"]?["content"]?.string }.joined()
      return text == " answer \(1000 + i)" && reply.frames.last == "[DONE]"
    case 2:
      let reply = try await server.complete(["seed": seed, "max_tokens": 64])
      return reply.json["choices"]?.array?.first?["text"]?.string == " answer \(1000 + i)"
    case 3:
      let reply = try await server.complete(["seed": seed, "max_tokens": 64, "stream": true, "n": 2])
      var texts = ["", ""]
      for choice in reply.chunks.compactMap({ $0["choices"]?.array?.first }) {
        texts[choice["index"]?.exactInt ?? 0] += choice["text"]?.string ?? ""
      }
      return texts == [" answer \(1000 + i)", " answer \(1001 + i)"]
    case 4: return try await server.chat(["temperature": 9]).status == 400
    case 5: return try await server.get("/v1/models").status == 200
    default:
      let port = server.port
      return try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest(
          "POST", "/v1/chat/completions", body: TestServer.bytes(TestServer.chatBody(["stream": true, "seed": seed])))
        return true
      }
    }
  }
}
