import Foundation
import JSON
import LoadGenerator
import Synchronization
import Testing

/// Against servers whose every delay is known. Waits are lower bounds: a crowded machine only adds to them.
@Suite(.serialized) struct LoadRunTests {
  private func run(
    _ server: ScriptedServer, requests: Int = 1, arrivals: [Double]? = nil, concurrency: Int? = nil, key: String? = nil,
    timeout: Double = 900, retries: Bool = false, isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) async throws -> LoadRecord {
    let client = try ServerClient(url: server.url, key: key, connections: 64)
    var shape = RequestShape(endpoint: .completions, model: "m", outputLength: 5)
    (shape.timeout, shape.retries) = (timeout, retries)
    let run = LoadRun(
      client: client, shape: shape, prompts: Array(repeating: .ids([1, 2, 3]), count: requests),
      arrivals: arrivals ?? Array(repeating: 0, count: requests), concurrency: concurrency)
    let record = await run.run(isInterrupted: isInterrupted)
    await client.close()
    server.stop()
    return record
  }

  @Test func timesAreThoseOfTheServer() async throws {
    let server = try ScriptedServer { _ in ScriptedServer.answer(tokens: 5, prompt: 3, first: 0.2, each: 0.1) }
    let record = try await run(server, requests: 2, key: "secret")
    let report = ServingFigures(record)
    #expect(report.completed == 2 && record.peakConcurrency == 2 && report.withoutUsage == 0)
    #expect(report.promptTokens == 6 && report.outputTokens == 10 && report.cachedTokens == 2)
    #expect(report.timeToFirstToken.median >= 0.199)
    // What is seen late of the first token is missing from the time of the others: their sum counts, below.
    #expect(
      report.interTokenLatency.count == 8 && report.latency.median >= 0.58 && report.duration >= report.latency.maximum)
    for outcome in record.outcomes {
      let sum = outcome.timeToFirstToken! + 4 * outcome.timePerOutputToken!
      #expect(abs(sum - outcome.latency!) < 1e-9)
    }
    let request = try #require(server.requests.first)
    #expect(request.headers["authorization"] == "Bearer secret" && request.path == "/v1/completions")
    #expect(
      request.body?["prompt"] == [1, 2, 3] && request.body?["ignore_eos"] == true
        && request.body?["max_tokens"]?.exactInt == 5)
    #expect(request.body?["stream_options"]?["include_usage"] == true && request.body?["model"] == "m")
  }

  @Test func concurrencyIsHeldAndUsed() async throws {
    // Each is answered when the two that may be beside it have come, too.
    let server = try ScriptedServer { request in
      [.untilCome(min(12, request.index + 3))] + ScriptedServer.answer(tokens: 2, prompt: 3, first: 0.01, each: 0.01)
    }
    let record = try await run(server, requests: 12, concurrency: 3)
    #expect(record.outcomes.count { $0.isCompleted } == 12 && record.peakConcurrency == 3 && server.mostAtOnce == 3)
  }

  @Test func requestsAreNotSentBeforeTheyAreDue() async throws {
    let server = try ScriptedServer { _ in ScriptedServer.answer(tokens: 1, prompt: 3, first: 0, each: 0) }
    let due = [0, 0.1, 0.12, 0.4]
    let record = try await run(server, requests: 4, arrivals: due, concurrency: 4)
    let starts = record.outcomes.map(\.start).sorted()
    #expect(zip(starts, due).allSatisfy { $0 >= $1 } && starts.count == 4)
  }

  @Test func chunksAreCountedWhereUsageIsMissing() async throws {
    let server = try ScriptedServer { _ in
      ScriptedServer.answer(tokens: 4, prompt: 3, first: 0, each: 0.01, usage: false)
    }
    let report = ServingFigures(try await run(server))
    #expect(report.withoutUsage == 1 && report.outputTokens == 4 && report.promptTokens == 0)
  }

  @Test func everyKindOfFailureIsCountedInWords() async throws {
    let full = ScriptedServer.json(429, ["error": ["message": "queue full"]], headers: "Retry-After: 1\r\n")
    let token = ScriptedServer.event(#"{"choices":[{"text":"x"}]}"#)
    let scripts: [[ScriptedServer.Piece]] = [
      full, ScriptedServer.json(500, "broken"), [.send("HTTP/1.1 503 Status\r\nContent-Length: 3\r\n\r\n<p>")],
      [ScriptedServer.streamHead, token, ScriptedServer.event("{oh no"), ScriptedServer.streamEnd],
      [ScriptedServer.streamHead, token, .cut], [.cut],
      [ScriptedServer.streamHead, token, ScriptedServer.streamEnd],
      [
        ScriptedServer.streamHead, ScriptedServer.event(#"{"error":{"message":"rank 2 died"}}"#),
        ScriptedServer.streamEnd,
      ],
      [.send("not HTTP at all\r\n\r\n"), .cut],
      ScriptedServer.answer(tokens: 3, prompt: 3, first: 0, each: 0),
    ]
    let server = try ScriptedServer { scripts[$0.index] }
    let report = ServingFigures(try await run(server, requests: scripts.count, concurrency: 1))
    #expect(report.completed == 1 && report.failed == scripts.count - 1, "\(report.failures)")
    for words in [
      "HTTP 429: queue full", "HTTP 500: broken", "HTTP 503", "not JSON", "ended before", "rank 2 died", "closed",
    ] {
      #expect(report.failures.contains { $0.reason.contains(words) }, "\(words) in \(report.failures)")
    }
  }

  @Test func aFullServerIsAskedAgainWhenItSaysSo() async throws {
    let server = try ScriptedServer { request in
      request.index < 2
        ? ScriptedServer.json(429, ["error": ["message": "full"]], headers: "Retry-After: 0.2\r\n")
        : ScriptedServer.answer(tokens: 2, prompt: 3, first: 0, each: 0)
    }
    let record = try await run(server, retries: true)
    #expect(record.outcomes.map(\.ending) == [.completed] && record.outcomes[0].retries == 2)
    #expect(record.outcomes[0].start >= 0.4 && server.requests.count == 3)
  }

  @Test func aServerThatFallsSilentTimesOut() async throws {
    let server = try ScriptedServer { _ in
      [ScriptedServer.streamHead, ScriptedServer.event(#"{"choices":[{"text":"x"}]}"#), .wait(900)]
    }
    let record = try await run(server, timeout: 0.5)
    #expect(record.outcomes.map(\.ending) == [.failed("timeout")])
    #expect(record.outcomes[0].duration >= 0.5 && record.outcomes[0].duration < 600)
  }

  @Test func anInterruptionKeepsWhatIsDoneAndSendsNoMore() async throws {
    let server = try ScriptedServer { request in
      ScriptedServer.answer(tokens: 3, prompt: 3, first: request.index < 2 ? 0 : 900, each: 0)
    }
    // The next two are under way when the first two are done.
    let record = try await run(server, requests: 50, concurrency: 2) { server.requests.count == 4 }
    #expect(record.isInterrupted && record.requested == 50 && record.outcomes.count == 4)
    #expect(record.outcomes.count { $0.isCompleted } == 2 && record.outcomes.count { $0.ending == .interrupted } == 2)
  }

  @Test func aServerThatIsNotThereIsAClearError() async throws {
    let server = try ScriptedServer { _ in [] }
    server.stop()
    let client = try ServerClient(url: server.url + "/v1/", key: nil, connections: 1)
    let error = await #expect(throws: LoadError.self) { _ = try await client.model() }
    #expect(
      error.map { "\($0)" }?.contains("refused") == true && error.map { "\($0)" }?.contains(server.url + ":") == true,
      "\(error.debugDescription)")
    await client.close()
  }

  @Test func whatTheServerTellsOfItselfIsReadOrRefused() async throws {
    let server = try ScriptedServer { request in
      switch request.path {
      case "/v1/models": ScriptedServer.json(200, ["data": [["id": "one"], ["id": "two"]]])
      case "/cluster": ScriptedServer.json(200, ["facts": ["vocabulary_size": 77]])
      case "/tokenize" where request.body?["prompt"] == "bad": ScriptedServer.json(200, ["tokens": ["x"]])
      case "/tokenize" where request.body?["prompt"] == "no": ScriptedServer.json(401, ["error": ["message": "no key"]])
      default: ScriptedServer.json(200, ["tokens": [4, 5]])
      }
    }
    let client = try ServerClient(url: server.url, key: nil, connections: 1)
    #expect(try await client.model() == "one")
    #expect(try await client.vocabularySize() == 77)
    #expect(try await client.tokenize("text", model: "one") == [4, 5])
    await #expect(throws: LoadError.self) { _ = try await client.tokenize("bad", model: "one") }
    await #expect(throws: LoadError.refused(what: "a request to /tokenize", status: 401, message: "no key")) {
      _ = try await client.tokenize("no", model: "one")
    }
    await client.close()
    server.stop()
  }

  @Test(arguments: [
    "", "127.0.0.1:8000", "ftp://x", "http://", "http:///v1", "http://a b", "http://ü", "http://x:99999", "http://x:0",
    "http://x:", "http://x:8o/v1", "https://[::1]:123456", "http://x:18446744073709551617",
  ])
  func addressesOfNoServerAreRefused(url: String) {
    #expect(throws: LoadError.badURL(url)) { _ = try ServerClient(url: url, key: nil, connections: 1) }
  }

  @Test(arguments: ["http://x:65535/v1", "http://[::1]:8000", "http://[::1]", "https://x/a:b", "http://x"])
  func addressesOfServersAreTaken(url: String) async throws {
    await (try ServerClient(url: url, key: nil, connections: 1)).close()
  }

  /// The limit is of the whole answer: one whose body comes drop by drop would else never end.
  @Test func anAnswerThatTricklesEndsWithItsTime() async throws {
    let server = try ScriptedServer { request in
      let drops: [ScriptedServer.Piece] = (0..<3000).map { _ in .send("1\r\n{\r\n", after: 0.2) }
      return [ScriptedServer.streamHead] + (request.path == "/cut" ? [.send("5\r\n{\r\n"), .cut] : drops)
    }
    let client = try ServerClient(url: server.url, key: nil, connections: 2)
    let began = ContinuousClock.now
    let late = await #expect(throws: LoadError.self) { _ = try await client.answer("/slow", [:], timeout: 0.5) }
    #expect(late == .unreachable(url: server.url, reason: "it did not answer in time"))
    // The server would go on for ten minutes.
    #expect(ContinuousClock.now - began < .seconds(300))
    let cut = await #expect(throws: LoadError.self) { _ = try await client.answer("/cut", [:], timeout: 600) }
    if case .unreachable? = cut {} else { Issue.record("\(cut.debugDescription)") }
    await client.close()
    server.stop()
  }

  @Test func whatAServerSaysIsNoOrderToATerminal() async throws {
    let server = try ScriptedServer { _ in
      ScriptedServer.json(500, ["error": ["message": "a\u{1B}[31mb\u{0}\u{202E}c\nd"]])
    }
    let client = try ServerClient(url: server.url, key: nil, connections: 1)
    await #expect(throws: LoadError.refused(what: "a request to /x", status: 500, message: "a [31mb  c d")) {
      _ = try await client.answer("/x", [:], timeout: 60)
    }
    await client.close()
    server.stop()
  }

  @Test(arguments: ["", "a b", "a\r\nX-Evil: 1", "ü"]) func keysThatBreakHeadersAreRefused(key: String) {
    #expect(throws: LoadError.badKey) { _ = try ServerClient(url: "http://x", key: key, connections: 1) }
  }
}
