import JSON
import TestSupport
import Testing

@testable import OpenAIProtocol

@Suite struct MalformedReplyTests {
  @Test(arguments: malformedReplies)
  func aReplyThatIsSlightlyWrongMeansWhatItShouldHaveBeen(sample: ReplySample) {
    let reply = reply(sample.events([sample.text]))
    #expect(reply.reasoning == sample.reasoning)
    #expect(reply.content.flatMap { $0.utf8.allSatisfy(isWhitespace) ? nil : $0 } == sample.content)
    #expect(reply.toolCalls.map(\.name) == sample.calls.map(\.name))
    #expect(reply.toolCalls.map(\.arguments) == sample.calls.map(\.arguments))
  }

  @Test(arguments: malformedReplies)
  func whereItIsCutChangesNothing(sample: ReplySample) {
    let whole = sample.events([sample.text])
    for cut in 0...sample.text.unicodeScalars.count {
      let pieces = sample.text.cut(cut)
      #expect(sample.events(pieces) == whole, "cut after \(pieces[0].debugDescription)")
    }
    #expect(sample.events(sample.text.inScalars) == whole)
  }

  @Test(arguments: malformedReplies.filter { $0.calls.count == 2 })
  func aReplyIsCompleteAfterAsManyCallsAsMayBe(sample: ReplySample) {
    var sample = sample
    sample.callLimit = 1
    for pieces in [[sample.text], sample.text.inScalars] {
      #expect(reply(sample.events(pieces)).toolCalls.map(\.arguments) == [sample.calls[0].arguments])
    }
  }

  /// Quadratic in the text, this took minutes.
  @Test(arguments: ToolCallFormat.Syntax.allCases)
  func manyHeadsWithoutEndTakeTimeInProportion(syntax: ToolCallFormat.Syntax) {
    let heads = [
      "<|channel|>commentary to=functions.now", "<tool_call>\n<function=now>", "[TOOL_CALLS]now",
      "<｜tool▁call▁begin｜>function",
      "<|tool_call_begin|>functions.now", "<｜DSML｜tool_calls><｜DSML｜invoke name=",
    ]
    let start = ContinuousClock.now
    for head in heads {
      let text = String(repeating: head, count: 1500)
      let sample = ReplySample(name: "", syntax: syntax, text: text)
      #expect(!sample.events([text]).isEmpty)
    }
    // Some seconds in a debug build.
    #expect(ContinuousClock.now - start < .seconds(120))
  }

  /// A value that is not given out before its end comes token by token: nothing in it is searched twice.
  @Test(arguments: [ToolCallFormat.Syntax.markup, .olderMarkup])
  func aLongValueTakesTimeInProportion(syntax: ToolCallFormat.Syntax) {
    let value = "\"" + String(repeating: "x", count: 200_000) + "\""
    let text =
      "<｜DSML｜invoke name=\"weather\"><｜DSML｜parameter name=\"days\" string=\"false\">" + value
      + "</｜DSML｜parameter></｜DSML｜invoke>"
    let sample = ReplySample(name: "", syntax: syntax, text: text)
    var events: [ReplyEvent] = []
    let seconds = threadSeconds { events = sample.events(text.inScalars) }
    #expect(reply(events).toolCalls.map(\.arguments) == ["{\"days\": \(value)}"])
    #expect(seconds < 60)
  }

  /// What follows a quote and a comma may be a name without quotes, until it is too long for one: not looked at anew
  /// with each of its letters.
  @Test func aNameWithoutEndTakesTimeInProportion() throws {
    let letters = String(repeating: "x", count: 1_000_000)
    var mended = ""
    let seconds = threadSeconds {
      var mender = JSONMender()
      for byte in "{\"a\": \"b\", \(letters)".utf8 { mender.take(byte) }
      mender.finish(closing: true)
      mended = String(decoding: mender.takeOutput(), as: UTF8.self)
    }
    #expect(try JSONValue(parsing: mended)["a"]?.string == "b\", " + letters)
    #expect(seconds < 60)
  }

  /// A call's own end that comes a hundred thousand times ends one call, however it comes.
  @Test(arguments: [ToolCallFormat.Syntax.hermes, .qwenCoder, .llama])
  func endsThatComeAgainTakeNoStack(syntax: ToolCallFormat.Syntax) {
    let ends = String(repeating: "</function>\n", count: 100_000)
    let text = "<function=weather>{\"city\": \"Rom\"}" + ends
    let sample = ReplySample(name: "", syntax: syntax, text: text)
    let whole = reply(sample.events([text]))
    #expect(whole.toolCalls.map(\.arguments) == ["{\"city\": \"Rom\"}"])
    #expect((whole.content ?? "").utf8.allSatisfy(isWhitespace))
  }

  /// A schema that refers to itself 192 times, in each of which it refers to itself as often.
  @Test func aSchemaThatMultipliesIsReadInBoundedTime() {
    let members = JSONValue.array(Array(repeating: ["$ref": "#/properties/x"], count: 64))
    let multiplying: JSONValue = ["anyOf": members, "oneOf": members, "allOf": members]
    let long = JSONValue.string("#/" + String(repeating: "x/", count: 1_000_000))
    let endless: JSONValue = ["anyOf": .array(Array(repeating: ["$ref": long], count: 64))]
    let root: JSONValue = [
      "properties": ["x": multiplying, "y": endless, "z": ["anyOf": [["$ref": "#/$defs/z"], ["type": "null"]]]],
      "$defs": ["z": ["type": "integer"]],
    ]
    var types: [ParameterTypes] = []
    let seconds = threadSeconds {
      types = ["x", "y", "z", "none"].map { ParameterTypes(root["properties"]?[$0], in: root) }
    }
    #expect(types == [[], [], [.number, .null], []])
    #expect(seconds < 60)
  }

  @Test func reasoningThatGoesOnKeepsItsSpace() {
    let sample = ReplySample(
      name: "", syntax: .hermes, text: " see.\n</think>\n\nHi", startsInReasoning: true, continuesReasoning: true)
    let reply = reply(sample.events([sample.text]))
    #expect(reply.reasoning == " see." && reply.content == "Hi")
  }

  @Test func kimisIdsAreItsOwnOrCounted() {
    func ids(_ heads: [String]) -> [String] {
      var parser = ReplyParser(
        format: ToolCallFormat(syntax: .kimi), tools: lookupTools, earlierCalls: 3, identifiers: constantIdentifiers)
      let calls = heads.map { "<|tool_call_begin|>\($0)<|tool_call_argument_begin|>{}<|tool_call_end|>" }
      let text = "<|tool_calls_section_begin|>" + calls.joined() + "<|tool_calls_section_end|>"
      return reply(parser.push(text) + parser.finish()).toolCalls.map(\.id)
    }
    #expect(ids(["functions.clock:7", "functions.lookup:8"]) == ["functions.clock:7", "functions.lookup:8"])
    #expect(ids(["clock", "lookup"]) == ["functions.clock:3", "functions.lookup:4"])
    #expect(ids(["functions.clock:0", "functions.clock:0"]) == ["functions.clock:0", "functions.clock:4"])
  }

  @Test func jsonProperComesOutOfTheMenderAsItWas() throws {
    var random = SeededGenerator(3)
    for _ in 0..<2000 {
      let text = Self.object(depth: 4, using: &random)
      var mender = JSONMender()
      for byte in text.utf8 { mender.take(byte) }
      #expect(mender.place == .ended && String(decoding: mender.takeOutput(), as: UTF8.self) == text)
    }
  }

  @Test func whateverIsMendedIsJSON() throws {
    var random = SeededGenerator(4)
    for _ in 0..<2000 {
      var bytes = Array(Self.object(depth: 3, using: &random).utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 1..<bytes.count, using: &random)
        if Bool.random(using: &random) {
          bytes.remove(at: at)
        } else {
          bytes.insert(Array("{}[],:\"' \n\\xT1".utf8).randomElement(using: &random) ?? 0, at: at)
        }
        if bytes.count < 2 { break }
      }
      var mender = JSONMender()
      for byte in bytes where mender.place != .ended { mender.take(byte) }
      mender.finish(closing: true)
      let mended = String(decoding: mender.takeOutput(), as: UTF8.self)
      // A name may come twice where an object's brace was lost.
      let parsed = Result { try JSONValue(parsing: mended) }
      let isRepeated = if case .failure(let error) = parsed { "\(error)".contains("twice") } else { false }
      #expect(isRepeated || (try? parsed.get()) != nil, "\(String(decoding: bytes, as: UTF8.self)): \(mended)")
    }
  }

  private static func object(depth: Int, using random: inout SeededGenerator) -> String {
    let members = (0..<Int.random(in: 0...3, using: &random)).map {
      "\"k\($0)\"\(space(&random)):\(space(&random))" + value(depth: depth - 1, using: &random)
    }
    return "{" + space(&random) + members.joined(separator: space(&random) + "," + space(&random)) + space(&random)
      + "}"
  }

  private static func value(depth: Int, using random: inout SeededGenerator) -> String {
    let words = ["1", "-2.5e3", "true", "null", "\"\"", #""a\"b\\""#, #""x, 'y' {\u00e9}""#, "\"☂\"", "\"a: [b]\""]
    guard depth > 0, Int.random(in: 0..<3, using: &random) > 0 else {
      return words.randomElement(using: &random) ?? "1"
    }
    if Bool.random(using: &random) { return object(depth: depth, using: &random) }
    let elements = (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth: depth - 1, using: &random) }
    return "[" + elements.joined(separator: "," + space(&random)) + "]"
  }

  private static func space(_ random: inout SeededGenerator) -> String {
    ["", "", " ", "\n  "].randomElement(using: &random) ?? ""
  }
}
