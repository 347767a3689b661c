import Foundation
import HTTPConnection
import JSON
import Logging
import Synchronization
import Testing

@testable import HTTPServer

/// A server on a port of its own, over an engine of the test's.
struct TestServer: Sendable {
  let modelServer: ModelServer
  let engine: FakeEngine
  let port: Int

  static let model = "demo"

  /// Runs `body` against a server that is stopped afterwards.
  static func run<Result: Sendable>(
    _ engine: FakeEngine, model: TestModel = .plain, configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: @Sendable (TestServer) async throws -> Result
  ) async throws -> Result {
    var configuration = ServerConfiguration(
      modelNames: [Self.model, "other"], codec: model.codec, stopTokens: [1])
    configuration.port = 0
    configuration.limits.stallTime = .seconds(2)
    configuration.logger.logLevel = .critical
    configure(&configuration)
    let modelServer = try ModelServer(engine: engine, configuration: configuration)
    let (ports, report) = AsyncStream.makeStream(of: Int.self)
    let running = Task {
      defer { report.finish() }
      try await modelServer.run { report.yield($0) }
    }
    var iterator = ports.makeAsyncIterator()
    guard let port = await iterator.next() else {
      try await running.value
      throw Connection.Failure(description: "the server ended")
    }
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(try await body(TestServer(modelServer: modelServer, engine: engine, port: port)))
    } catch { outcome = .failure(error) }
    modelServer.stopNow()
    try await running.value
    return try outcome.get()
  }

  func request(
    _ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil
  ) async throws -> Connection.Reply {
    let port = port
    return try await onThread {
      let connection = try Connection(port: port)
      try connection.sendRequest(method, path, headers: headers, body: body)
      return try connection.readReply(method: method)
    }
  }

  func get(_ path: String, headers: [String] = []) async throws -> Connection.Reply {
    try await request("GET", path, headers: headers)
  }

  /// `body` with the model's name added, unless it has one.
  func post(_ path: String, _ body: JSONValue, headers: [String] = []) async throws -> Connection.Reply {
    try await request("POST", path, headers: headers, body: Self.bytes(body))
  }

  static func bytes(_ body: JSONValue) -> [UInt8] {
    var object = body.object ?? JSONObject()
    if object["model"] == nil { object["model"] = .string(model) }
    return Array(JSONValue.object(object).text().utf8)
  }

  func chat(_ extra: JSONValue = [:], content: String = "Once upon a time") async throws -> Connection.Reply {
    try await post("/v1/chat/completions", Self.chatBody(extra, content: content))
  }

  static func chatBody(_ extra: JSONValue = [:], content: String = "Once upon a time") -> JSONValue {
    var body = JSONObject([("messages", [["role": "user", "content": .string(content)]])])
    for (key, value) in extra.object?.members.map({ ($0.key, $0.value) }) ?? [] { body[key] = value }
    return .object(body)
  }

  func complete(_ extra: JSONValue = [:], prompt: JSONValue = "Once upon a time") async throws -> Connection.Reply {
    var body = JSONObject([("prompt", prompt)])
    for (key, value) in extra.object?.members.map({ ($0.key, $0.value) }) ?? [] { body[key] = value }
    return try await post("/v1/completions", .object(body))
  }

  /// Waits for `condition`, which must come true: however busy the machine is, within two minutes. Nothing that is
  /// waited for here takes more than a few seconds of its own.
  func eventually(
    _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: @Sendable () -> Bool
  ) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while !condition() {
      guard .now < deadline else {
        Issue.record(comment, sourceLocation: sourceLocation)
        return
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}
