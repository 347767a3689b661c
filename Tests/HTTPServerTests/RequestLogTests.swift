import EngineAPI
import Foundation
import HTTPConnection
import JSON
import Logging
import Synchronization
import Testing

@testable import HTTPServer

/// The line that the log has for each request.
@Suite struct RequestLogTests {
  let model = TestModel.plain

  /// What is logged, line by line.
  final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
    /// Those of requests, as JSON.
    var requests: [JSONValue] { all.compactMap { try? JSONValue(parsing: $0) }.filter { $0["message"] == "request" } }

    func logger(_ format: LogFormat, level: Logger.Level = .info) -> Logger {
      Logger(label: "test") { _ in
        ServerLogHandler(format, level: level, now: { Date(timeIntervalSince1970: 1_800_000_000.25) }) { self.add($0) }
      }
    }
  }

  @Test func aLineIsTextOrJSON() throws {
    let lines = Lines()
    let metadata: Logger.Metadata = [
      "status": .stringConvertible(200), "api_key": "of Ada", "path": "/a\nb", "zz": "1", "aa": "",
    ]
    for format in LogFormat.allCases {
      lines.logger(format).info("two\nlines", metadata: metadata)
      lines.logger(format).debug("not this")
    }
    #expect(lines.all.count == 2)
    #expect(
      lines.all[0]
        == #"2027-01-15T08:00:00.250Z info martinet: two\nlines api_key="of Ada" path="/a\nb" status=200 aa="" zz=1"#)
    let json = try JSONValue(parsing: lines.all[1])
    #expect(json["time"] == "2027-01-15T08:00:00.250Z" && json["level"] == "info" && json["message"] == "two\nlines")
    #expect(json["status"] == 200 && json["api_key"] == "of Ada" && !lines.all[1].contains("\n"))
  }

  @Test func aRequestIsToldWithItsTokensAndTimesWhenItHasEnded() async throws {
    let lines = Lines()
    var script = FakeEngine.Script(model.tokens(" there was a king") + [1])
    (script.cachedTokens, script.delay) = (2, .milliseconds(20))
    let (engine, count) = (FakeEngine(script), script.tokens.count)
    try await TestServer.run(
      engine,
      configure: {
        $0.logger = lines.logger(.json)
        $0.keys = APIKeys(["secret"])
      }
    ) { server async throws in
      let headers = ["Authorization: Bearer secret", "X-Request-Id: trace-17/a"]
      for stream in [false, true] {
        let reply = try await server.post(
          "/v1/completions", ["prompt": "Once upon", "stream": .bool(stream)], headers: headers)
        #expect(reply.status == 200 && reply.headers["x-request-id"] == "trace-17/a")
      }
      try await server.eventually("a request is not told") { lines.requests.count == 2 }
      for line in lines.requests {
        #expect(line["request_id"] == "trace-17/a" && line["client"] == "127.0.0.1" && line["api_key"] == "key-1")
        #expect(line["method"] == "POST" && line["path"] == "/v1/completions" && line["model"] == "demo")
        #expect(
          line["status"] == 200 && line["end"] == "finished" && line["level"] == "info" && line["sequences"] == nil)
        #expect(line["prompt_tokens"]?.exactInt == engine.submitted[0].prompt.count && line["cached_tokens"] == 2)
        #expect(line["completion_tokens"]?.exactInt == count)
        let (queue, first) = (line["queue_seconds"]?.number?.double, line["first_token_seconds"]?.number?.double)
        let whole = line["seconds"]?.number?.double ?? 0
        #expect(try #require(queue) <= (try #require(first)) && first ?? 9 < whole && whole > 0.02 * Double(count - 1))
      }
      #expect(!lines.all.joined().contains("secret"))
    }
  }

  @Test func embeddingsAreToldWithTheirTokens() async throws {
    let lines = Lines()
    let engine = FakeEngine(FakeEngine.Script([]))
    try await TestServer.run(engine, configure: { $0.logger = lines.logger(.json) }) { server async throws in
      let reply = try await server.post("/v1/embeddings", ["input": ["Once upon", "a time"]])
      #expect(reply.status == 200)
      try await server.eventually("the request is not told") { lines.requests.count == 1 }
      let line = try #require(lines.requests.first)
      #expect(line["path"] == "/v1/embeddings" && line["status"] == 200 && line["end"] == "finished")
      #expect(line["prompt_tokens"]?.exactInt == engine.submitted.reduce(0) { $0 + $1.prompt.count })
      #expect(line["queue_seconds"]?.number != nil)
    }
  }

  @Test func theTrueEndOfAStreamIsTold() async throws {
    let lines = Lines()
    var failing = FakeEngine.Script(model.tokens(" there"))
    (failing.failure, failing.finish) = ("rank 1 is gone", nil)
    try await TestServer.run(FakeEngine(failing), configure: { $0.logger = lines.logger(.json) }) {
      server async throws in
      #expect(try await server.complete(["stream": true]).status == 200)
      try await server.eventually("a request is not told") { lines.requests.count == 1 }
      let line = lines.requests[0]
      #expect(
        line["status"] == 200 && line["end"] == "failed" && line["error"] == "rank 1 is gone"
          && line["level"] == "warning")
    }
    let endless = Lines()
    var script = FakeEngine.Script(Array(repeating: model.tokens(" king")[0], count: 400))
    (script.finish, script.isHeld, script.firstHeld) = (nil, { true }, 2)
    try await TestServer.run(FakeEngine(script), configure: { $0.logger = endless.logger(.json) }) {
      server async throws in
      let port = server.port
      try await onThread { () throws -> Void in
        let connection = try Connection(port: port)
        try connection.sendRequest(
          "POST", "/v1/completions", body: TestServer.bytes(["prompt": "a", "stream": true, "max_tokens": 400]))
        _ = try connection.read(until: "king")
        connection.close()
      }
      try await server.eventually("a request is not told") { endless.requests.count == 1 }
      #expect(
        endless.requests[0]["end"] == "client_left" && endless.requests[0]["completion_tokens"]?.exactInt ?? 0 > 0)
      let ends = server.modelServer.metrics.current.ends
      #expect(ends[.init(route: "/v1/completions", end: "client_left")] == 1)
    }
  }

  @Test func probesAreToldOnRequestAndRefusalsWithTheirReason() async throws {
    let lines = Lines()
    try await TestServer.run(model.engine(answering: " x"), configure: { $0.logger = lines.logger(.json) }) {
      server async throws in
      for path in ["/health", "/ready", "/metrics"] { _ = try await server.get(path) }
      _ = try await server.post("/v1/completions", ["prompt": "a", "temperature": 9])
      #expect(lines.requests.count == 1)
      #expect(lines.requests[0]["status"] == 400 && lines.requests[0]["error"]?.string?.contains("temperature") == true)
    }
    let debug = Lines()
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.logger = debug.logger(.json, level: .debug) }
    ) { server async throws in
      _ = try await server.get("/health")
      #expect(debug.requests.count == 1)
    }
  }

  @Test func onlySaneIdsAreKept() async throws {
    #expect(RequestRecord.saneID("a-Z_0.9:/+=@#~") == "a-Z_0.9:/+=@#~")
    let insane: [String?] = [nil, "", "a b", "a\"b", "a\u{e9}", "a\u{7f}", String(repeating: "x", count: 129)]
    for id in insane { #expect(RequestRecord.saneID(id) == nil) }
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let reply = try await server.get("/health", headers: ["X-Request-Id: a\"b"])
      #expect(reply.headers["x-request-id"]?.hasPrefix("req_") == true)
    }
  }

  @Test func aProxysWordForTheClientCountsWhereItIsTrusted() async throws {
    for isTrusted in [false, true] {
      let lines = Lines()
      try await TestServer.run(
        model.engine(answering: " x"),
        configure: {
          $0.logger = lines.logger(.json)
          $0.trustsForwardedFor = isTrusted
        }
      ) { server async throws in
        _ = try await server.get("/v1/models", headers: ["X-Forwarded-For: 1.1.1.1, 203.0.113.9"])
        #expect(lines.requests[0]["client"]?.string == (isTrusted ? "203.0.113.9" : "127.0.0.1"))
      }
    }
  }
}
