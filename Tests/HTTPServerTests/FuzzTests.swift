import EngineAPI
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

/// Bodies made from valid ones by chance: whatever they are, they get an answer, and it blames the client.
@Suite struct FuzzTests {
  private static let valid: [(path: String, body: String)] = [
    (
      "/v1/chat/completions",
      #"{"model":"demo","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b ☃"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"d"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto","temperature":0.5,"top_p":0.9,"n":2,"stop":["x","y"],"max_tokens":5,"logprobs":true,"top_logprobs":2,"stream":true,"stream_options":{"include_usage":true},"seed":1,"logit_bias":{"5":1.5}}"#
    ),
    (
      "/v1/chat/completions",
      #"{"model":"demo","messages":[{"role":"user","content":"a"}],"max_tokens":3,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"array","items":{"enum":[1,"b",null]},"maxItems":3},"c":{"type":"string","pattern":"^[a-z]{1,3}$"}},"required":["a"],"additionalProperties":false}}}}"#
    ),
    (
      "/v1/completions",
      #"{"model":"demo","prompt":["ab","c"],"echo":true,"max_tokens":4,"n":1,"top_k":3,"min_p":0.1,"presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.5,"ignore_eos":true,"stop":"q"}"#
    ),
    ("/v1/completions", #"{"model":"demo","prompt":[[1,2],[3]],"logprobs":1,"echo":true,"max_tokens":2}"#),
    (
      "/v1/responses",
      #"{"model":"demo","instructions":"x","input":[{"role":"user","content":[{"type":"input_text","text":"b ☃"}]},{"type":"reasoning","id":"r","summary":[],"content":[{"type":"reasoning_text","text":"t"}],"encrypted_content":"martinet-reasoning:61"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"d"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"custom","name":"g"}],"tool_choice":"auto","text":{"format":{"type":"text"}},"reasoning":{"effort":"low","summary":"auto"},"include":["message.output_text.logprobs"],"top_logprobs":2,"max_output_tokens":5,"stream":true}"#
    ),
    (
      "/v1/messages",
      #"{"model":"demo","max_tokens":5,"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"b"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"d"}],"is_error":false}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024},"stop_sequences":["x"],"top_k":3,"stream":true}"#
    ),
    ("/v1/messages/count_tokens", #"{"model":"demo","messages":[{"role":"user","content":"b"}]}"#),
    ("/tokenize", #"{"model":"demo","prompt":"a b","add_special_tokens":true,"return_token_strs":true}"#),
    ("/detokenize", #"{"tokens":[5,6,7]}"#),
  ]
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
          let body = Self.mutate(Array(valid.utf8), &random)
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
