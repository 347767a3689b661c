import Foundation
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

/// Clients that speak HTTP/1.0.
@Suite struct OldHTTPTests {
  let model = TestModel.plain

  /// All that comes for these bytes until the server closes the connection; nil where it does not within half a minute.
  private func answer(_ port: Int, _ text: String) async throws -> String? {
    try await onThread {
      let connection = try Connection(port: port)
      try connection.send(text)
      do { while try connection.readMore() {} } catch { return nil }
      return connection.rest
    }
  }

  private func post(_ body: JSONValue, headers: [String] = []) -> String {
    let bytes = TestServer.bytes(body)
    let lines = ["POST /v1/completions HTTP/1.0", "Content-Length: \(bytes.count)"] + headers
    return lines.map { $0 + "\r\n" }.joined() + "\r\n" + String(decoding: bytes, as: UTF8.self)
  }

  @Test func theConnectionIsClosedAfterTheAnswer() async throws {
    try await TestServer.run(model.engine(answering: " there was")) { server async throws in
      let health = try #require(try await answer(server.port, "GET /health HTTP/1.0\r\n\r\n"))
      #expect(
        health.hasPrefix("HTTP/1.0 200 OK\r\n") && health.contains("Connection: close") && health.contains("\"ready\""))
      let whole = try #require(
        try await answer(server.port, post(["prompt": "Once"], headers: ["Expect: 100-continue"])))
      #expect(whole.hasPrefix("HTTP/1.0 200 OK\r\n") && !whole.contains("100 Continue") && whole.contains(" there was"))
      let missing = try #require(try await answer(server.port, "GET /nothing HTTP/1.0\r\nConnection: close\r\n\r\n"))
      #expect(missing.hasPrefix("HTTP/1.0 404 "))
    }
  }

  @Test(arguments: [[], ["Connection: keep-alive"]] as [[String]])
  func aStreamComesWithoutChunksAndEndsWithItsConnection(headers: [String]) async throws {
    try await TestServer.run(model.engine(answering: " there was a king")) { server async throws in
      let reply = try #require(
        try await answer(server.port, post(["prompt": "Once", "stream": true], headers: headers)))
      let parts = reply.components(separatedBy: "\r\n\r\n")
      #expect(
        parts.count == 2 && parts[0].hasPrefix("HTTP/1.0 200 OK\r\n")
          && !parts[0].lowercased().contains("transfer-encoding"))
      #expect(
        parts[0].contains("Connection: close") && parts[1].hasPrefix("data: {")
          && parts[1].hasSuffix("data: [DONE]\n\n"))
    }
  }

  @Test func aConnectionIsKeptWhereTheClientAsks() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let port = server.port
      let replies = try await onThread {
        let connection = try Connection(port: port)
        return try (0..<3).map { _ in
          try connection.send("GET /health HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
          return try connection.readReply()
        }
      }
      #expect(replies.allSatisfy { $0.status == 200 && $0.headers["connection"] == "keep-alive" })
    }
  }

  @Test func chunksInAnOldRequestAreRefused() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let text =
        """
        POST /v1/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: \
        keep-alive\r\n\r\n2\r\n{}\r\n0\r\n\r\n
        """
      let reply = try #require(try await answer(server.port, text + "GET /version HTTP/1.0\r\n\r\n"))
      #expect(reply.hasPrefix("HTTP/1.0 400 ") && reply.components(separatedBy: "HTTP/1.").count == 2)
    }
  }

  /// What is compressed would be read as if it were not.
  @Test(arguments: [
    ("gzip, chunked", 501), ("identity, Chunked", 501), ("x-unknown\r\nTransfer-Encoding: chunked", 501),
    // Where such a body ends nobody can tell.
    ("gzip", 400), ("chunked, chunked", 400), ("chunked, gzip", 400), ("chunked\r\nTransfer-Encoding: gzip", 400),
  ])
  func codingsOtherThanChunksAreRefused(coding: String, status: Int) async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let text =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \(coding)\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
      let next = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
      let reply = try #require(try await answer(server.port, text + next))
      #expect(reply.hasPrefix("HTTP/1.1 \(status) ") && reply.components(separatedBy: "HTTP/1.").count == 2)
      if status == 501 {
        let name = coding.lowercased().prefix { $0 != "," && !$0.isNewline }
        #expect(reply.contains("unsupported_encoding") && reply.lowercased().contains(name), "\(reply)")
      }
    }
  }

  @Test(arguments: ["close", "Close", "TE, close"])
  func aNewClientThatWantsToCloseIsLeft(option: String) async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let reply = try #require(
        try await answer(server.port, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: \(option)\r\n\r\n"))
      #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n") && reply.contains("Connection: close"))
    }
  }

  @Test func whoeverDoesNotCloseIsClosed() async throws {
    try await TestServer.run(model.engine(answering: " x"), configure: { $0.limits.stallTime = .milliseconds(300) }) {
      server async throws in
      let port = server.port
      let connection = try await onThread {
        let connection = try Connection(port: port)
        try connection.send("GET /health HTTP/1.0\r\n\r\n")
        _ = try connection.readReply()
        return connection
      }
      try await server.eventually("the connection stays open") { server.modelServer.connections.open == 0 }
      connection.close()
    }
  }
}
