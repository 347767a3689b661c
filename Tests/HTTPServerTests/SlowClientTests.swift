import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

/// Clients that send so slowly that their requests would never end: each is left after the read time, though idle
/// connections may stay for far longer here.
@Suite struct SlowClientTests {
  let model = TestModel.plain

  private static let chunked = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
  private static let long = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"

  /// Sends `piece` again and again, until the server answers or takes no more. Its pauses grow: however late the server
  /// looks at the time, the pieces are too few to be refused for their number.
  private static func drip(_ piece: String, into connection: Connection) {
    var pause = Duration.milliseconds(25)
    _ = eventually(within: 120) {
      do { try connection.send(piece) } catch { return true }
      defer { pause = min(pause * 1.2, .seconds(30)) }
      return connection.hasInput(within: pause)
    }
  }

  private func withServer<Result: Sendable>(
    readTime: Duration, _ engine: FakeEngine? = nil, _ body: @Sendable (TestServer) async throws -> Result
  ) async throws -> Result {
    try await TestServer.run(
      engine ?? model.engine(answering: " x"),
      configure: {
        $0.limits.readTime = readTime
        $0.limits.idleTime = .seconds(300)
      }, body)
  }

  @Test(arguments: [
    (start: "GET /", piece: "x"),
    (start: "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ", piece: "x"),
    (start: "GET /health HTTP/1.1\r\nHost: localhost\r\n", piece: "X-Next: 1\r\n"),
    (start: chunked + "2;name=", piece: "x"), (start: chunked + "2;name=\"", piece: "x"),
    (start: chunked + "2\r\n{}\r\n0\r\nX-Long: ", piece: "x"), (start: chunked + "2\r\n{}\r\n0\r\n", piece: "A: 1\r\n"),
    (start: chunked, piece: "1\r\n \r\n"), (start: long, piece: " "),
  ])
  func whatDripsIsEnded(start: String, piece: String) async throws {
    try await withServer(readTime: .milliseconds(300)) { server in
      let port = server.port
      let (reply, isClosed) = try await onThread {
        let connection = try Connection(port: port)
        try connection.send(start)
        Self.drip(piece, into: connection)
        return (try connection.readReply(), connection.isClosedByServer())
      }
      #expect(reply.status == 408 && reply.errorCode == "request_timeout", "\(reply.text)")
      #expect(reply.headers["connection"] == "close" || start.hasPrefix("POST"))
      #expect(isClosed)
      try await server.eventually("its place is not given back") { server.modelServer.connections.open == 0 }
      #expect(try await server.get("/health").status == 200)
    }
  }

  @Test(arguments: [
    "G", "GET /health HTTP/1.1\r\nHost: local", chunked + "2;name=", chunked + "2\r\n{}\r\n0\r\nX-L", long,
  ])
  func whatStopsIsEnded(start: String) async throws {
    try await withServer(readTime: .milliseconds(300)) { server in
      let port = server.port
      let (reply, isClosed) = try await onThread {
        let connection = try Connection(port: port)
        try connection.send(start)
        return (try connection.readReply(), connection.isClosedByServer())
      }
      #expect(reply.status == 408 && reply.errorCode == "request_timeout" && isClosed, "\(reply.text)")
    }
  }

  /// Also where a line break, which is no part of a request, is all that has come.
  @Test func keptConnectionsMayWaitButNotDrip() async throws {
    try await withServer(readTime: .seconds(1)) { server in
      let port = server.port
      let (waited, dripped, isClosed) = try await onThread {
        let connection = try Connection(port: port)
        usleep(1_500_000)
        let waited = try ["", "\r\n", "\r\n"].map { end in
          try connection.sendRequest("GET", "/health")
          let status = try connection.readReply().status
          if !end.isEmpty { try connection.send(end) }
          usleep(1_500_000)
          return status
        }
        try connection.send("GET /health HTTP/1.1\r\nX-Long: ")
        Self.drip("x", into: connection)
        return (waited, try connection.readReply(), connection.isClosedByServer())
      }
      #expect(waited == [200, 200, 200])
      #expect(dripped.status == 408 && dripped.errorCode == "request_timeout" && isClosed)
    }
  }

  /// A head that begins in one piece with the end of the request before it, and goes on.
  @Test func aHeadBegunWithTheRequestBeforeItIsTimed() async throws {
    try await withServer(readTime: .milliseconds(300)) { server in
      let port = server.port
      let (first, second) = try await onThread {
        let connection = try Connection(port: port)
        try connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nX-Long: ")
        let first = try connection.readReply()
        Self.drip("x", into: connection)
        return (first, try connection.readReply())
      }
      #expect(first.status == 200 && second.status == 408)
    }
  }

  /// A request sent ahead of the answer before it: what comes at once, what comes after that answer (nil: nothing), and
  /// the status of its own.
  struct Ahead: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var first: String
    var rest: String?
    var status = 200
  }

  private static let tokenize = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
  private static let padding = String(repeating: " ", count: 200_000)

  static let ahead = [
    Ahead(testDescription: "a head", first: "GET /health HTTP/1.1\r\n", rest: "Host: localhost\r\n\r\n"),
    Ahead(testDescription: "a head for good", first: "GET /health HTTP/1.1\r\n", rest: nil, status: 408),
    Ahead(
      testDescription: "a piece of a body", first: tokenize + "Content-Length: 17\r\n\r\n{\"prompt\":",
      rest: "\"king\"}"),
    Ahead(
      testDescription: "a piece of a body for good", first: tokenize + "Content-Length: 17\r\n\r\n{\"prompt\":",
      rest: nil, status: 408),
    Ahead(
      testDescription: "a chunk", first: tokenize + "Transfer-Encoding: chunked\r\n\r\na\r\n{\"prompt\":\r\n",
      rest: "7\r\n\"king\"}\r\n0\r\n\r\n"),
    Ahead(
      testDescription: "more than is read ahead",
      first: tokenize + "Content-Length: 200017\r\n\r\n{\"prompt\":\(padding)\"king\"}", rest: ""),
    Ahead(
      testDescription: "a head that waits to go on",
      first: tokenize + "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n", rest: "{\"prompt\":\"king\"}"),
  ]

  /// What is sent ahead does not end an answer that takes longer than the read time, is not answered in its midst, and
  /// has its own time after it.
  @Test(arguments: ahead) func whatIsSentAheadWaitsForTheAnswer(ahead: Ahead) async throws {
    let fault = await faultWithPatience([0.3, 1, 8, 40]) { seconds in
      let gate = Gate()
      var script = FakeEngine.Script(model.tokens(" king king") + [1])
      script.isHeld = { gate.isClosed }
      let engine = FakeEngine(script)
      engine.facts = FakeEngine.facts(vocabulary: 4098)
      return try await withServer(readTime: .seconds(seconds), engine) { server in
        let port = server.port
        let body = TestServer.bytes(TestServer.chatBody(["stream": true]))
        let connection = try await onThread {
          let connection = try Connection(port: port, timeout: Int(10 * seconds) + 20)
          try connection.sendRequest("POST", "/v1/chat/completions", body: body)
          return connection
        }
        try await server.eventually("it is not being answered") { engine.active.count == 1 }
        let (stream, next) = try await onThread {
          // The answer takes twice the read time.
          DispatchQueue.global().asyncAfter(deadline: .now() + 2 * seconds) { gate.open() }
          try connection.send(ahead.first)
          let stream = try connection.readReply()
          if ahead.first.contains("100-continue") { _ = try connection.read(until: "HTTP/1.1 100 Continue\r\n\r\n") }
          if let rest = ahead.rest { try connection.send(rest) }
          return (stream, try connection.readReply())
        }
        let isAlone = ahead.status != 200 || !connection.rest.contains("HTTP/")
        return stream.status == 200 && stream.frames.last == "[DONE]" && next.status == ahead.status && isAlone
          ? nil : "\(stream.status), then \(next.status) \(next.text)"
      }
    }
    #expect(fault == nil)
  }
}
