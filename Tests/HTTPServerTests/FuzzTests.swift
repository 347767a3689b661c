import EngineAPI
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

/// Bodies made from valid ones by chance: whatever they are, they get an answer, and it blames the client.
@Suite struct FuzzTests {
  /// Bodies that are valid, and the routes they are for: those of `Fixtures/requests`, but for embeddings, which the
  /// engine of the tests does not make.
  private static let valid: [(path: String, body: [UInt8])] = RequestFixture.all.filter { $0.path != "/v1/embeddings" }
    .map { ($0.path, $0.bytes) }
  private static let pieces = [
    "null", "-1", "1e999", "99999999999999999999", "\"\"", "[]", "{}", "[[[[", "true", "\\ud800", "\u{0}", "\"", "]",
    "}",
    ",", ":", "0.0000001", "\"\\u0000\"", "☃", "-0",
  ]

  @Test func everyMutationIsAnsweredAndNoneIsTheServersFault() async throws {
    let tokens = TestModel.tools.tokens(" there was a king")
    let engine = FakeEngine(FakeEngine.Script(tokens + [1]))
    engine.facts = FakeEngine.facts(positions: 256, vocabulary: 4098)
    try await TestServer.run(engine, model: .tools) { server in
      let port = server.port
      let failures = try await onThread {
        var random = SeededGenerator(42)
        var failures: [String] = []
        var connection = try Connection(port: port)
        for round in 0..<900 {
          let (path, valid) = Self.valid[round % Self.valid.count]
          let body = Self.mutate(valid, &random)
          do {
            try connection.sendRequest("POST", path, body: body)
            let reply = try connection.readReply()
            if !(200..<500).contains(reply.status) {
              failures.append("\(reply.status) for \(String(decoding: body, as: UTF8.self))")
            }
          } catch {
            failures.append("\(error) for \(String(decoding: body, as: UTF8.self))")
            connection = try Connection(port: port)
          }
        }
        return failures
      }
      #expect(failures == [])
      try await server.eventually("places are still taken") { server.modelServer.admission.isEmpty }
      let accepted = server.modelServer.metrics.current.responses.filter { $0.key.status == 200 }.values.reduce(0, +)
      #expect(accepted > 0, "some bodies must stay valid, or nothing is tested beyond the parser")
    }
  }

  private static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.remove(at: at)
      case 2: bytes.insert(contentsOf: Array((pieces.randomElement(using: &random) ?? "").utf8), at: at)
      case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...20, using: &random)))
      case 4: bytes = Array(bytes[..<at])
      default:
        // A value for another.
        guard let colon = bytes[at...].firstIndex(of: UInt8(ascii: ":")) else { break }
        let end = bytes[colon...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") } ?? bytes.count
        bytes.replaceSubrange((colon + 1)..<end, with: Array((pieces.randomElement(using: &random) ?? "").utf8))
      }
    }
    return bytes
  }
}
