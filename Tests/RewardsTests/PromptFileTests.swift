import Evaluation
import JSON
import TestSupport
import Testing

@testable import Rewards

@Suite struct PromptFileTests {
  private let folder = TemporaryFolder()

  private func read(_ text: String, requiresAnswers: Bool = true) throws -> [RewardedPrompt] {
    try PromptFile.read(folder.write(text, as: "prompts.jsonl"), requiresAnswers: requiresAnswers)
  }

  private func words(_ text: String, requiresAnswers: Bool = true) -> String {
    do {
      return "read: \(try read(text, requiresAnswers: requiresAnswers))"
    } catch { return "\(error)" }
  }

  @Test func textsAndMessagesAreReadWithTheirAnswers() throws {
    let prompts = try read(
      """
      {"prompt": "1 + 1 =", "answer": 2, "source": "mine"}\r

        \t
      {"messages": [{"role": "user", "content": "3, 7, 11?"}], "answer": ["21", 21.0], "numbers": [3, 7, 11]}
      {"messages": [{"role": "user", "content": "?"}], "tools": [{"type": "function"}], "answer": "a", "falsehoods": "b"}
      """)
    #expect(prompts.map(\.number) == [1, 4, 5])
    #expect(prompts[0].content == .text("1 + 1 =") && prompts[0].target.texts == ["2"])
    #expect(prompts[0].line["source"] == "mine" && prompts[0].hasAnswer)
    #expect(prompts[1].target.texts == ["21", "21.0"] && prompts[1].target.numbers == [3, 7, 11])
    #expect(prompts[2].target.falsehoods == ["b"])
    guard case .messages(let messages, let tools) = prompts[2].content else {
      Issue.record("\(prompts[2].content)")
      return
    }
    #expect(messages.count == 1 && tools?.array?.count == 1)
  }

  @Test func aMarkAtTheBeginningAndNullsAreNothing() throws {
    let prompts = try read(
      "\u{FEFF}{\"prompt\":\"a\",\"messages\":null,\"tools\":null,\"answer\":\"b\",\"numbers\":null}")
    #expect(prompts.map(\.content) == [.text("a")])
  }

  @Test(
    arguments: [
      ("", "has no prompts"), ("\n \n", "has no prompts"), ("{", "line 1: JSON has its end"),
      ("[1]", "line 1: it is an array"), ("\n{\"answer\":1}", "line 2: it has neither"),
      (#"{"prompt":"a","messages":[],"answer":1}"#, "both a prompt and messages"),
      (#"{"prompt":3,"answer":1}"#, "its prompt is a number"), (#"{"prompt":"","answer":1}"#, "its prompt is empty"),
      (#"{"messages":"a","answer":1}"#, "its messages are a string"),
      (#"{"messages":[],"answer":1}"#, "list of messages is empty"),
      (#"{"messages":[{"role":"user"},"a"],"answer":1}"#, "message 2 is a string"),
      (#"{"messages":[{"content":"a"}],"answer":1}"#, "message 1 has no role"),
      (#"{"messages":[{"role":"user"},{"role":"assistant"}],"answer":1}"#, "the assistant's own"),
      (#"{"messages":[{"role":"user"}],"tools":{},"answer":1}"#, "its tools are an object"),
      (#"{"prompt":"a"}"#, "it has no answer"), (#"{"prompt":"a","answer":null}"#, "it has no answer"),
      (#"{"prompt":"a","answer":[]}"#, "its answer is an empty list"),
      (#"{"prompt":"a","answer":" "}"#, "its answer has an empty text"),
      (#"{"prompt":"a","answer":{"b":1}}"#, "its answer has an object in it"),
      (#"{"prompt":"a","answer":true}"#, "its answer has a boolean in it"),
      (#"{"prompt":"a","answer":1,"numbers":[1.5]}"#, "its numbers have 1.5"),
      (#"{"prompt":"a","answer":1,"numbers":3}"#, "its numbers are a number"),
      (#"{"prompt":"a","answer":1,"falsehoods":[""]}"#, "its falsehoods has an empty text"),
      (#"{"prompt":"a","prompt":"b","answer":1}"#, "\"prompt\" twice"),
    ])
  func whatIsNoPromptIsNamedWithItsFileAndLine(text: String, expected: String) {
    let words = words(text)
    #expect(words.contains(expected) && words.contains("prompts.jsonl"), "\(words)")
  }

  @Test func programsMayHaveTheirOwnAnswers() throws {
    let prompts = try read(#"{"prompt":"a","answer":{"tests":[1]},"numbers":"x"}"#, requiresAnswers: false)
    #expect(!prompts[0].hasAnswer && prompts[0].line["answer"]?["tests"] != nil)
    #expect(!(try read(#"{"prompt":"a"}"#, requiresAnswers: false))[0].hasAnswer)
  }

  @Test func whatIsNoFileOrAbsurdlyLargeIsRefused() throws {
    for path in [folder.file("none"), folder.path, "/dev/zero", "a\0b"] {
      #expect(throws: RewardError.self) { try PromptFile.read(path, requiresAnswers: false) }
    }
    let long = String(repeating: "x", count: PromptFile.lineLimit)
    #expect(words("{\"prompt\":\"\(long)\",\"answer\":1}").contains("line 1: it is longer than 4 MiB"))
    let deep = String(repeating: "[", count: 5000)
    #expect(words("{\"prompt\":\(deep)").contains("nests deeper"))
    #expect(
      words("{\"prompt\":\"a\",\"answer\":1,\"\(long.prefix(50_000))\":1,\"\(long.prefix(50_000))\":1}").utf8.count
        < 1000)
  }

  @Test func aFingerprintIsOfContentAndOrder() throws {
    let lines = [#"{"prompt":"a","answer":1}"#, #"{"prompt":"b","answer":2,"note":"x"}"#]
    let print = PromptFile.fingerprint(try read(lines.joined(separator: "\n")))
    #expect(print.count == 32)
    #expect(
      print == PromptFile.fingerprint(try read("\n" + lines.joined(separator: "\n\n").replacing(":", with: ": "))))
    for other in [lines.reversed(), [lines[0]], [lines[0], lines[1].replacing("x", with: "y")]] {
      #expect(print != PromptFile.fingerprint(try read(other.joined(separator: "\n"))))
    }
  }
}
