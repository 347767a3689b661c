import JSON
import TestSupport
import Testing

@testable import OpenAIProtocol

@Suite struct ReplyParserTests {
  @Test(arguments: replySamples)
  func aReplyIsSplitAsItsFormatSays(sample: ReplySample) {
    let events = sample.events([sample.text])
    let reply = reply(events)
    #expect(reply.reasoning == sample.reasoning)
    #expect(reply.content == sample.content)
    #expect(reply.toolCalls.map(\.name) == sample.calls.map(\.name))
    #expect(reply.toolCalls.map(\.arguments) == sample.calls.map(\.arguments))
    let completeness = events.compactMap { if case .toolCallEnded(_, let isComplete) = $0 { isComplete } else { nil } }
    #expect(completeness == sample.completeness ?? [])
  }

  @Test(arguments: replySamples)
  func whereTheTextIsCutChangesNothing(sample: ReplySample) {
    let whole = sample.events([sample.text])
    for cut in 0...sample.text.unicodeScalars.count {
      let pieces = sample.text.cut(cut)
      #expect(sample.events(pieces) == whole, "cut after \(pieces[0].debugDescription)")
    }
    #expect(sample.events(sample.text.inScalars) == whole)
    #expect(sample.events(sample.text.inScalars.flatMap { [$0, ""] }) == whole)
  }

  @Test func textThatIsCertainIsNotHeldBack() {
    var parser = ReplyParser(
      format: ToolCallFormat(syntax: .hermes, reasoningTags: .init(open: "<think>", close: "</think>")),
      tools: sampleTools, identifiers: constantIdentifiers)
    #expect(parser.push("<thi") == [])
    #expect(parser.push("nk>Wh") == [.reasoning("Wh")])
    #expect(parser.isInReasoning)
    #expect(parser.push("y</") == [.reasoning("y")])
    #expect(parser.push("b></think>\n") == [.reasoning("</b>")])
    #expect(!parser.isInReasoning)
    #expect(parser.push("Yes <") == [.content("Yes ")])
    #expect(parser.push("tool_call>{\"name\":\"weather\",\"arguments\":{\"ci").count == 2)
    #expect(parser.hasToolCalls)
    #expect(parser.push("ty\":\"R") == [.toolCallArguments(index: 0, delta: "ty\":\"R")])
    #expect(
      parser.push("\"}}") == [
        .toolCallArguments(index: 0, delta: "\"}"), .toolCallEnded(index: 0, isComplete: true),
      ])
    #expect(parser.finish() == [])
  }

  @Test func manyMarkersCostTimeInProportion() {
    let text = String(repeating: "<tool_call>{]\n<", count: 20_000)
    let sample = ReplySample(name: "", syntax: .hermes, text: text)
    let clock = ContinuousClock()
    var events: [ReplyEvent] = []
    let time = clock.measure { events = sample.events([text]) }
    #expect(events == [.content(text)])
    #expect(time < .seconds(120))
  }

  @Test(arguments: ToolCallFormat.Syntax.allCases)
  func noWordOfARandomReplyIsLostAndCutsChangeNothing(syntax: ToolCallFormat.Syntax) {
    var random = SeededGenerator(7)
    for round in 0..<150 {
      let (text, words) = Self.randomReply(syntax, using: &random)
      let sample = ReplySample(name: "", syntax: syntax, text: text, startsInReasoning: round % 5 == 0)
      let whole = sample.events([text])
      let reply = reply(whole)
      var found = (reply.reasoning ?? "") + (reply.content ?? "")
      for call in reply.toolCalls { found += call.id + call.name + call.arguments }
      for word in words { #expect(found.contains(word), "\(word) of \(text.debugDescription)") }
      #expect(sample.events(text.inScalars) == whole, "\(text.debugDescription)")
      for _ in 0..<5 {
        let cut = Int.random(in: 0...text.unicodeScalars.count, using: &random)
        #expect(sample.events(text.cut(cut)) == whole, "\(text.debugDescription), cut after \(cut)")
      }
    }
  }

  /// Markers, pieces of calls, and words of their own, in any order.
  private static func randomReply(
    _ syntax: ToolCallFormat.Syntax, using random: inout SeededGenerator
  ) -> (text: String, words: [String]) {
    let format = ToolCallFormat(syntax: syntax, reasoningTags: .init(open: "<think>", close: "</think>"))
    let forced = format.forcedCall(tools: sampleTools)
    let parts = forced.map { [$0.envelope.open, $0.envelope.separator, $0.envelope.close] } ?? []
    let alternatives = (forced?.alternatives ?? []).flatMap { [$0.prefix, $0.suffix, $0.prefix + "{}" + $0.suffix] }
    let fragments =
      format.markers.filter { $0 != "<|constrain|>" } + parts + alternatives
      + [
        "<", "{", "}", "\n", " ", "\n```", ";", ",", "[", "]", "weather\n", "function", "final", "analysis", ":0", "é",
      ]
      + ["<function=", "<parameter=", ">", "</parameter>", "</function>"]
    var (text, words) = ("", [String]())
    for i in 0..<Int.random(in: 1...14, using: &random) {
      if Bool.random(using: &random) {
        text += fragments.randomElement(using: &random) ?? ""
      } else {
        words.append("w\(i)w")
        text += "w\(i)w"
      }
    }
    return (text, words)
  }
}
