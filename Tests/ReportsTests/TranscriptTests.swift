import JSON
import Telemetry
import Testing

@testable import Reports

/// Completions to read on a page.
struct TranscriptTests {
  @Test func whatIsWrittenIsRead() throws {
    let whole = Transcript(
      step: 3, prompt: "<b>\u{0}\u{202e}", completion: "</script>\n\u{1b}[1m\u{645}", expected: "é",
      outcome: "no_answer",
      isCut: true, reward: 1.1, advantage: -1.0 / 3, tokens: 9)
    let bare = Transcript(step: 1, prompt: "", completion: "", reward: 0, advantage: 0, tokens: -4)
    for transcript in [whole, bare] {
      #expect(try Transcript(json: try JSONValue(parsing: transcript.json.text())) == transcript)
    }
    #expect(bare.tokens == 0 && bare.json["outcome"] == nil)
    let none = Transcript(step: 1, prompt: "", completion: "", reward: .nan, advantage: .infinity, tokens: 1)
    #expect(none.json["reward"] == .null && none.json["advantage"] == .null)
    #expect(try Transcript(json: none.json).reward.isNaN)
  }

  @Test func ofLongTextsTheBeginningAndTheEndAreKept() throws {
    // One character of many scalars, and one of many bytes.
    for unit in ["a\u{301}\u{301}\u{301}", "🙂", "x"] {
      let text = "begin" + String(repeating: unit, count: 50_000) + "end"
      let transcript = Transcript(step: 1, prompt: text, completion: text, reward: 0, advantage: 0, tokens: 1)
      #expect(transcript.completion.unicodeScalars.count <= Transcript.textLimit)
      #expect(transcript.completion.hasPrefix("begin") && transcript.completion.hasSuffix("end"))
      #expect(transcript.completion.contains("characters left out"))
      #expect(try Transcript(json: transcript.json) == transcript, "what was shortened is not shortened again")
    }
  }

  @Test(arguments: ["{}", "[]", "7"])
  func whatIsNoTranscriptIsRefused(text: String) throws {
    let json = try JSONValue(parsing: text)
    #expect(throws: MalformedAccount.self) { try Transcript(json: json) }
  }

  @Test(arguments: ["step", "prompt", "completion", "tokens", "cut"])
  func aTranscriptWithoutAMemberOrWithAnotherKindOfItIsRefused(key: String) throws {
    let transcript = Transcript(step: 1, prompt: "p", completion: "c", reward: 0, advantage: 0, tokens: 1)
    for value in [nil, JSONValue.double(0.5), .null, .array([])] {
      var object = try #require(transcript.json.object)
      object[key] = value
      #expect(throws: MalformedAccount.self) { try Transcript(json: .object(object)) }
    }
  }
}
