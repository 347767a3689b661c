import EngineAPI
import JSON
import Testing

/// Everything with a JSON form, so that one test can treat all alike.
private struct Message: Sendable, CustomTestStringConvertible {
  let name: String
  let json: JSONValue
  /// Reads a JSON form and writes it again.
  let again: @Sendable (JSONValue) throws -> JSONValue
  var testDescription: String { name }

  static let all: [Message] = {
    var plain = TokenRequest(id: RequestID(3), prompt: [1, 2, 70_000], maxNewTokens: 5)
    plain.stopTokens = [9, 2]
    var full = plain
    full.id = RequestID(Int.max)
    full.sampled = [4, 0]
    full.details.topLogprobs = 0
    full.promptLogprobs = 5
    full.logitBias = [5: -100, 0: 0.1, Int32.max: -.infinity]
    full.grammar = ["kind": "schema", "schema": ["a": .null]]
    full.sampling.temperature = 0.7
    full.sampling.topP = 0.1
    full.sampling.seed = .max
    full.sampling.topK = Int(Int32.max)
    var pooled = TokenRequest(id: RequestID(4), prompt: [1], maxNewTokens: 0)
    pooled.pooling = .mean
    var facts = EngineFacts()
    facts.family = "deepseek_v3"
    facts.vocabularySize = 128_000
    var status = ClusterStatus()
    status.time = 0.1
    var rank = ClusterStatus.RankStatus()
    rank.host = "n\"2"
    rank.waiting = 1e-9
    status.ranks = [rank, ClusterStatus.RankStatus()]
    (status.layers, status.visits) = ([1, 2], [[0, 3], []])
    (status.drafted, status.accepted, status.speculationGain) = ([9, 4], [7, 1], 1.25)
    (status.draftingSteps, status.restingSteps) = (5, 6)
    let id = RequestID(-1)
    let top = [Candidate(token: 7, logprob: -0.1), Candidate(token: 8, logprob: -.infinity)]
    let requests = [plain, full, pooled].map { request in
      Message(name: "request \(request.id)", json: request.json) { try TokenRequest(json: $0).json }
    }
    let events: [TokenEvent] = [
      .started(id, cachedTokens: 0), .token(id, SampledToken(1), finish: nil),
      .token(id, SampledToken(Int32.max, logprob: -.infinity, top: top), finish: .stop),
      .token(id, SampledToken(0, logprob: -Float.leastNonzeroMagnitude), finish: .length),
      .failed(id, message: "line\n\u{0}\u{2028}é"),
      .prompt(id, [], finish: .length),
      .prompt(id, [SampledToken(3, logprob: -1.5, top: top), SampledToken(0, logprob: -.infinity)], finish: nil),
      .embedding(id, []), .embedding(id, [0.1, -1e-20, .leastNonzeroMagnitude, 3]),
    ]
    let states: [EngineState] = [
      .loading(bytes: 3, of: Int.max), .ready, .restarting(reason: "rank 2 died", attempt: 4),
      .failed(reason: ""), .stopped,
    ]
    return requests
      + events.map { event in Message(name: "event \(event)", json: event.json) { try TokenEvent(json: $0).json } }
      + states.map { state in Message(name: "state \(state)", json: state.json) { try EngineState(json: $0).json } }
      + [
        Message(name: "facts", json: facts.json) { try EngineFacts(json: $0).json },
        Message(name: "status", json: status.json) { try ClusterStatus(json: $0).json },
      ]
  }()
}

@Suite struct MessageRoundTripTests {
  @Test(arguments: Message.all)
  fileprivate func messagesSurviveBeingWrittenAndRead(_ message: Message) throws {
    let text = message.json.text()
    #expect(!text.contains("\n"), "a message is one line")
    #expect(try message.again(JSONValue(parsing: text)) == message.json)
  }

  /// Each value anywhere in each message, replaced by what it must not be: an error, or the same kind of message, never
  /// a trap.
  @Test(arguments: Message.all)
  fileprivate func damagedMessagesAreRefusedOrHarmless(_ message: Message) throws {
    let wrong: [JSONValue] = [
      .null, true, "x", [], [:], -1, .int(Int.max), .number(JSONNumber(text: "1e999")),
      .number(JSONNumber(text: "0.5")), .number(JSONNumber(text: "99999999999999999999999")), [[]], [-1],
    ]
    var refused = 0
    for damaged in wrong.flatMap({ damaged(message.json, by: $0) }) {
      do { _ = try message.again(damaged) } catch {
        #expect(error is EngineAPIError)
        refused += 1
      }
    }
    // At least where the whole message was replaced.
    #expect(refused >= wrong.count)
  }

  @Test func everyFloatSurvives() throws {
    var state: UInt32 = 1
    for _ in 0..<20_000 {
      state = state &* 1_664_525 &+ 1_013_904_223
      let value = Float(bitPattern: state)
      guard value.isFinite else { continue }
      let event = TokenEvent.token(RequestID(1), SampledToken(1, logprob: value), finish: nil)
      guard case .token(_, let sampled, _) = try TokenEvent(json: JSONValue(parsing: event.json.text())) else {
        Issue.record("not a token")
        return
      }
      #expect(sampled.logprob?.bitPattern == value.bitPattern)
    }
  }

  /// The value with each of its parts in turn replaced.
  private func damaged(_ value: JSONValue, by other: JSONValue) -> [JSONValue] {
    var result = [other]
    if let values = value.array {
      for i in values.indices {
        for part in damaged(values[i], by: other) {
          var copy = values
          copy[i] = part
          result.append(.array(copy))
        }
      }
    }
    if let object = value.object {
      for (key, value) in object.members {
        for part in damaged(value, by: other) {
          var copy = object
          copy[key] = part
          result.append(.object(copy))
        }
      }
    }
    return result
  }
}
