import Evaluation
import Testing

@testable import Rewards

/// What a program may print.
@Suite struct ProgramReplyTests {
  private func words(_ text: String, count: Int = 2) -> String {
    var replies = ProgramReplies(count: count)
    do throws(ProgramFault) {
      try replies.take(Array(text.utf8))
      try replies.finish()
      return "taken: \(replies.answeredCount)"
    } catch { return "\(error)" }
  }

  @Test func repliesComeInAnyOrderCutAnywhere() throws {
    let text =
      "\n{\"index\":1,\"reward\":-0.5,\"outcome\":\"no_answer\",\"why\":\"x\"}\r\n \n{\"reward\":1e3,\"index\":0}"
    for cut in 1...text.utf8.count {
      var replies = ProgramReplies(count: 2)
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        try replies.take(rest.prefix(cut))
        rest = rest.dropFirst(cut)
      }
      #expect(!replies.isComplete && replies.hasBegunLine)
      try replies.finish()
      #expect(replies.all == [.init(reward: 1000, outcome: nil), .init(reward: -0.5, outcome: .noAnswer)])
    }
  }

  @Test(
    arguments: [
      ("hello", "JSON has 'h'"), ("1", "it is a number"), ("[]", "it is an array"), ("{", "JSON has"),
      ("{\"reward\":1}", "it has no index"), ("{\"index\":0}", "it has no reward"),
      ("{\"index\":2,\"reward\":1}", "its index is 2, and those of the batch are 0 to 1"),
      ("{\"index\":-1,\"reward\":1}", "its index is -1"), ("{\"index\":0.0,\"reward\":1}", "its index is 0.0"),
      ("{\"index\":\"0\",\"reward\":1}", "its index is a string"),
      ("{\"index\":99999999999999999999,\"reward\":1}", "its index is 99999999999999999999"),
      ("{\"index\":0,\"reward\":NaN}", "its reward is NaN"), ("{\"index\":0,\"reward\":-Infinity}", "is -Infinity"),
      ("{\"index\":0,\"reward\":1e999}", "its reward is 1e999"), ("{\"index\":0,\"reward\":2e9}", "its reward is 2e9"),
      ("{\"index\":0,\"reward\":true}", "its reward is a boolean"), ("{\"index\":0,\"reward\":null}", "is null"),
      ("{\"index\":0,\"reward\":1,\"outcome\":\"good\"}", "its outcome is good"),
      ("{\"index\":0,\"reward\":1,\"outcome\":\"error\"}", "its outcome is error"),
      ("{\"index\":0,\"reward\":1,\"outcome\":1}", "its outcome is a number"),
      ("{\"index\":0,\"reward\":1}\n{\"index\":0,\"reward\":1}", "completion 0 was paid before"),
      ("{\"index\":0,\"reward\":1}{\"index\":1,\"reward\":1}", "bytes after its end"),
    ])
  func nonsenseIsShownWithWhatIsWrong(line: String, expected: String) {
    let words = words(line)
    #expect(words.contains(expected) && words.contains("printed the line"), "\(words)")
  }

  @Test func floodsEndSoon() {
    #expect(words(String(repeating: "x", count: ProgramReplies.lineLimit + 1)).contains("goes on for more than 1 MiB"))
    #expect(words(String(repeating: "\n", count: 2 << 20)).contains("more than any replies take"))
    #expect(words("{\"index\":0,\"reward\":1,\"a\":\"" + String(repeating: "\u{1}", count: 9000)).utf8.count < 2000)
  }
}
