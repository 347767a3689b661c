import EngineAPI
import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

/// Clients that do with their connections what most do not.
@Suite struct ConnectionTests {
  let model = TestModel.plain

  @Test(arguments: [
    "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
  ])
  func whoeverAsksForAnotherProtocolIsAnsweredAndLeft(request: String) async throws {
    try await TestServer.run(model.engine(answering: " x")) { server in
      let port = server.port
      let (before, reply, isClosed) = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("GET", "/version")
        try connection.send(request)
        let (before, reply) = (try connection.readReply(), try connection.readReply())
        return (before, reply, connection.isClosedByServer())
      }
      #expect(before.status == 200 && before.headers["connection"] != "close")
      #expect([200, 403, 405].contains(reply.status) && reply.headers["connection"] == "close")
      #expect(isClosed)
    }
  }

  @Test func nothingIsKeptOfWhatFollowsARequestForAnotherProtocol() async throws {
    let gate = Gate()
    var script = FakeEngine.Script(Array(repeating: model.tokens(" king")[0], count: 100_000))
    (script.delay, script.finish, script.isHeld) = (.milliseconds(5), nil, { gate.isClosed })
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    try await TestServer.run(engine) { server in
      let port = server.port
      let body = TestServer.bytes(TestServer.chatBody(["stream": true]))
      let connection = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest(
          "POST", "/v1/chat/completions", headers: ["Connection: Upgrade", "Upgrade: h2c"], body: body)
        _ = try connection.read(until: "king")
        return connection
      }
      let hasSentAll = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        let bytes = [UInt8](repeating: 0, count: 1 << 20)
        do {
          for _ in 0..<64 { try connection.send(bytes) }
          hasSentAll.signal()
        } catch {}
      }
      let isHeld = try await onThread { hasSentAll.wait(timeout: .now() + 3) == .timedOut }
      #expect(isHeld, "the server took 64 MiB that it has no use for")
      // Its answer goes on; held so far, as a client that reads nothing for long would be cut off.
      gate.open()
      _ = try await onThread { try connection.read(until: "king") }
      #expect(engine.active.count == 1)
      connection.closeSending()
    }
  }

  @Test func aSlowBodyDoesNotKeepAConnectionThatIsToClose() async throws {
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
    // Whoever answers has as long.
    let fault = await faultWithPatience([2, 12, 60]) { seconds in
      try await TestServer.run(
        model.engine(answering: " x"),
        configure: {
          $0.keys = APIKeys(["secret"])
          ($0.limits.readTime, $0.limits.stallTime) = (.seconds(seconds), .seconds(seconds))
        }
      ) { server in
        let port = server.port
        return try await onThread { () throws -> String? in
          let connection = try Connection(port: port)
          try connection.send(head + "{")
          let reply = try connection.readReply()
          guard reply.status == 401 else { return reply.text }
          let isEnded = eventually(within: 120) {
            usleep(50_000)
            do { try connection.send(" ") } catch { return true }
            return false
          }
          return isEnded ? nil : "the connection is kept"
        }
      }
    }
    #expect(fault == nil)
  }

  @Test func aClientThatTakesSlowlyButSteadilyGetsAll() async throws {
    // More than the system keeps for a connection, so that the rest waits in the server for longer than the stall time.
    let name = String(repeating: "x", count: 20 << 20)
    let fault = await faultWithPatience([2, 12, 40]) { seconds in
      try await TestServer.run(
        model.engine(answering: " x"),
        configure: {
          $0.modelNames = [TestServer.model, name]
          $0.limits.stallTime = .seconds(seconds)
        }
      ) { server in
        let port = server.port
        let reply = try await onThread {
          let connection = try Connection(port: port, receiveBytes: 256 << 10)
          try connection.sendRequest("GET", "/v1/models", headers: ["Connection: close"])
          while try connection.readMore() { usleep(UInt32(seconds * 4_000)) }
          return try connection.readReply()
        }
        return reply.status == 200 && reply.body.count > 20 << 20
          ? nil : "\(reply.status), \(reply.body.count) bytes"
      }
    }
    #expect(fault == nil)
  }

  @Test func bodiesBeingReadHaveALimitTogether() async throws {
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: {
        $0.limits.bodyBytes = 8000
        $0.limits.allBodiesBytes = 10_000
      }
    ) { server in
      let port = server.port
      let first = try await onThread { try Self.beginBody(port) }
      try await server.eventually("the bytes are not counted") { server.modelServer.bodies.inUse == 6000 }
      let refused = try await onThread { try Self.beginBody(port).readReply() }
      #expect(refused.status == 429 && refused.errorCode == "queue_full" && refused.headers["retry-after"] == "1")
      try await server.eventually("a refused body takes room") { server.modelServer.bodies.inUse == 6000 }
      first.close()
      try await server.eventually("the room is not given back") { server.modelServer.bodies.inUse == 0 }
      #expect(try await server.complete().status == 200)
      #expect(server.modelServer.bodies.inUse == 0)
      let gone = ServerMetrics.Outcome(route: "/v1/completions", status: 499)
      try await server.eventually("it is not counted as gone") {
        server.modelServer.metrics.current.responses[gone] == 1
      }
    }
  }

  /// Sends 6000 bytes of a body of 7000.
  private static func beginBody(_ port: Int) throws -> Connection {
    let connection = try Connection(port: port)
    try connection.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7000\r\n\r\n")
    try connection.send([UInt8](repeating: UInt8(ascii: " "), count: 6000))
    return connection
  }

  @Test func malformedChunksAreTheClientsFault() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server in
      let port = server.port
      let reply = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("POST", "/v1/completions", headers: ["Transfer-Encoding: chunked"])
        try connection.send("zz\r\n{}\r\n0\r\n\r\n")
        return try connection.readReply()
      }
      #expect(reply.status == 400 && reply.errorCode == "invalid_body")
    }
  }

  @Test func aClientGoneBeforeItsAdmissionIsNoFailure() async throws {
    try await TestServer.run(model.engine(answering: " x"), configure: { $0.textThreads = 1 }) { server in
      let begun = DispatchSemaphore(value: 0)
      let gate = DispatchSemaphore(value: 0)
      defer { gate.signal() }
      let blocked = Task {
        try await server.modelServer.pool.run { () -> Void in
          begun.signal()
          gate.wait()
        }
      }
      let port = server.port
      let body = TestServer.bytes(TestServer.chatBody())
      let connection = try await onThread {
        begun.wait()
        let connection = try Connection(port: port)
        try connection.sendRequest("GET", "/health")
        try connection.sendRequest("POST", "/v1/chat/completions", body: body)
        return connection
      }
      try await server.eventually("the request has not come") { server.modelServer.pool.jobCount == 2 }
      // With an answer unread, this resets the connection.
      connection.close()
      try await server.eventually("the connection is still open") { server.modelServer.connections.open == 0 }
      gate.signal()
      try await blocked.value
      let gone = ServerMetrics.Outcome(route: "/v1/chat/completions", status: 499)
      try await server.eventually("it is not counted as gone") {
        server.modelServer.metrics.current.responses[gone] == 1
      }
    }
  }

  @Test func pagesMaySendTheHeadersTheyAskFor() async throws {
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.allowedOrigins = ["https://page.example"] }
    ) { server in
      func allowed(_ asked: String?) async throws -> String? {
        let headers = ["Origin: https://page.example"] + (asked.map { ["Access-Control-Request-Headers: " + $0] } ?? [])
        let reply = try await server.request("OPTIONS", "/v1/chat/completions", headers: headers)
        #expect(reply.headers["access-control-expose-headers"] == "x-request-id, retry-after")
        return reply.headers["access-control-allow-headers"]
      }
      let usual = "authorization, content-type"
      let own = try await allowed("authorization,x-stainless-os, x-stainless-lang")
      #expect(own == "authorization, x-stainless-os, x-stainless-lang")
      let useless: [String?] = [nil, "", ", ,", "authorization, (x)", String(repeating: "x", count: 5000)]
      for asked in useless {
        #expect(try await allowed(asked) == usual)
      }
    }
  }
}
