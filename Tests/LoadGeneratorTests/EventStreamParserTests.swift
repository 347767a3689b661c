import LoadGenerator
import Testing

@Suite struct EventStreamParserTests {
  private let stream =
    """
    \u{FEFF}data: one\n\n: a comment\r\n\r\ndata:two\r\ndata:  lines\r\n\r\nevent: x\rid: 4\rdata\r\rretry: \
    5\n\ndatabase: no\n\ndata: {\"ü\":\"…🙂\"}\n\ndata: unfinished
    """
  private let events = ["one", "two\n lines", "", "{\"ü\":\"…🙂\"}"]

  private func parse(_ pieces: [ArraySlice<UInt8>]) throws -> [String] {
    var parser = EventStreamParser()
    return try pieces.flatMap { try parser.append($0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func eventsDoNotDependOnHowBytesWereCut() throws {
    let bytes = Array(stream.utf8)
    #expect(try parse([bytes[...]]) == events)
    for first in 0...bytes.count {
      for second in first...bytes.count {
        #expect(
          try parse([bytes[..<first], bytes[first..<second], bytes[second...]]) == events,
          "cut at \(first) and \(second)")
      }
    }
    #expect(try parse(bytes.indices.map { bytes[$0...$0] }) == events)
  }

  @Test func anEventWithoutEndIsRefused() throws {
    var parser = EventStreamParser(limit: 100)
    #expect(throws: EventStreamParser.TooLong(limit: 100)) {
      _ = try parser.append(repeatElement(UInt8(ascii: "a"), count: 101))
    }
    var lines = EventStreamParser(limit: 100)
    #expect(throws: EventStreamParser.TooLong(limit: 100)) {
      for _ in 0..<30 { _ = try lines.append("data: 12345\n".utf8) }
    }
    var short = EventStreamParser(limit: 100)
    for _ in 0..<30 { #expect(try short.append("data: 12345\n\n".utf8).count == 1) }
  }
}

@Suite struct AnswerReaderTests {
  private func read(_ events: [String], finish: Bool = true) throws -> AnswerReader {
    var reader = AnswerReader()
    for (index, event) in events.enumerated() { try reader.append("data: \(event)\n\n".utf8, at: Double(index)) }
    if finish { try reader.finish() }
    return reader
  }

  @Test func onlyChunksWithTextCountAsTokens() throws {
    let reader = try read([
      #"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
      #"{"choices":[{"delta":{"reasoning_content":"hm"}}],"usage":null}"#,
      #"{"choices":[{"delta":{"content":"a"}}],"error":null}"#,
      #"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
      #"{"choices":[{"text":""}]}"#,
      #"{"choices":[{"text":"b","finish_reason":"stop"}]}"#,
      #"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}"#, "[DONE]",
    ])
    #expect(reader.textTimes == [1, 2, 3, 5] && reader.finishTime == 5)
    #expect(reader.promptTokens == 7 && reader.outputTokens == 9 && reader.cachedTokens == nil)
  }

  @Test(
    arguments: [
      ([#"{"choices":"#], "not JSON"), ([#"{"error":{"message":"rank 1 is gone"}}"#], "rank 1 is gone"),
      ([#"{"error":"overloaded"}"#], "overloaded"), (["[DONE]", #"{"choices":[]}"#], "after the last"),
      ([#"{"choices":[{"text":"a"}]}"#, "[DONE]"], "ended before"), ([], "ended before"),
      ([String(repeating: "[", count: 500)], "not JSON"),
    ] as [([String], String)])
  func whatIsNoAnswerIsRefusedInWords(events: [String], words: String) {
    let error = #expect(throws: AnswerReader.Malformed.self) { _ = try read(events) }
    #expect(error?.description.contains(words) == true)
  }

  @Test(arguments: [
    "{}", "[]", "7", #"{"choices":7}"#, #"{"choices":[7],"usage":[]}"#,
    #"{"choices":[{"text":7,"delta":[]}],"usage":{"prompt_tokens":"x"}}"#,
  ])
  func jsonOfAnotherFormTrapsNothing(event: String) throws {
    #expect(try read([event], finish: false).textTimes.isEmpty)
  }
}
