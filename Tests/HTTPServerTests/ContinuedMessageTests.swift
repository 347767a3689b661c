import OpenAIProtocol
import Testing

@testable import HTTPServer

/// Finding the last message in a conversation's text.
@Suite struct ContinuedMessageTests {
  @Test(arguments: [
    ("Tell.Once<end>", "Once", "Tell.Once"), ("Once. Once <end>", "Once \n", "Once. Once"),
    ("aabaabaaab", "aabaa", "aabaabaa"), ("x", "x", "x"), ("axa ", "a", "axa"), ("abc", " ", "abc"),
  ])
  func whatFollowsTheMessageIsLeftOut(text: String, content: String, expected: String) throws {
    #expect(try ServedText.cut(text, after: content) == expected)
  }

  @Test func theMessageHasToBeNearTheEnd() throws {
    let message = "Once upon a time"
    #expect(try ServedText.cut(message + String(repeating: "-", count: 4096), after: message) == message)
    let blanks = String(repeating: " ", count: 5000)
    #expect(try ServedText.cut(message + blanks + "<end>", after: message + blanks) == message)
    for text in [message + String(repeating: "-", count: 4097), "Once upon", ""] {
      let refusal = try #require(throws: APIError.self) { try ServedText.cut(text, after: message) }
      #expect(refusal.status == 400 && refusal.param == "continue_final_message")
    }
  }

  /// Every place matches but for its last byte, or its first.
  @Test(arguments: [false, true]) func noMessageTakesLong(isLast: Bool) throws {
    let run = String(repeating: "a", count: 1 << 20)
    let begin = ContinuousClock.now
    #expect(throws: APIError.self) {
      try ServedText.cut(run + run, after: isLast ? run + "b" : "b" + run)
    }
    #expect(ContinuousClock.now - begin < .seconds(120))
  }
}
