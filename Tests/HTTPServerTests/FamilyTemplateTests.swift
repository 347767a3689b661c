import Foundation
import JSON
import ModelText
import TestSupport
import Testing

/// Templates of families that publish none.
struct FamilyTemplateTests {
  private func codec(_ modelType: String, template: String? = nil) throws -> TextCodec {
    let path = Page.root.appending(path: "Tests/Fixtures/goldens/deepseek_v3/tokenizer.json")
    let tokenizer = [UInt8](try Data(contentsOf: path))
    return TextCodec(path: "a model") { (name, _) in
      switch name {
      case "tokenizer.json": tokenizer
      case "config.json": Array("{\"model_type\": \"\(modelType)\"}".utf8)
      case "chat_template.jinja": template.map { Array($0.utf8) }
      default: nil
      }
    }
  }

  private let messages: [JSONValue] = [
    ["role": "system", "content": "Be kind."], ["role": "user", "content": "hello"],
    ["role": "assistant", "content": "Hello! I am DeepSeek.", "reasoning_content": "thinking..."],
    ["role": "user", "content": "1+1=?"],
  ]
  private let begin = "<｜begin▁of▁sentence｜>"

  @Test(arguments: ["deepseek_v32", "deepseek_v4"]) func deepSeekIsAskedAsItsMakersSay(model: String) throws {
    let codec = try codec(model)
    let earlier = begin + "Be kind.<｜User｜>hello<｜Assistant｜></think>Hello! I am DeepSeek.<｜end▁of▁sentence｜>"
    let plain = try codec.render(messages, addGenerationPrompt: true)
    #expect(plain == earlier + "<｜User｜>1+1=?<｜Assistant｜></think>")
    let thinking = try codec.render(messages, addGenerationPrompt: true, extra: JSONObject([("thinking", true)]))
    #expect(thinking == earlier + "<｜User｜>1+1=?<｜Assistant｜><think>")
    let other = try codec.render(messages, addGenerationPrompt: true, extra: JSONObject([("enable_thinking", true)]))
    #expect(other == thinking)
  }

  @Test func reasoningAfterTheLastQuestionIsKept() throws {
    let answer: JSONValue = ["role": "assistant", "content": "2", "reasoning_content": "one and one"]
    let text = try codec("deepseek_v32").render(
      [["role": "user", "content": "1+1=?"], answer], addGenerationPrompt: false,
      extra: JSONObject([("thinking", true)]))
    #expect(text == begin + "<｜User｜>1+1=?<｜Assistant｜><think>one and one</think>2<｜end▁of▁sentence｜>")
  }

  /// Of reasoning efforts only the greatest has a text of its own, which must come from elsewhere.
  @Test func theGreatestEffortIsRefusedInWords() throws {
    func render(_ effort: JSONValue) throws -> String {
      try codec("deepseek_v4").render(
        messages, addGenerationPrompt: true, extra: JSONObject([("thinking", true), ("reasoning_effort", effort)]))
    }
    #expect(try render("high").hasSuffix("<｜User｜>1+1=?<｜Assistant｜><think>"))
    let shown = #expect(throws: (any Error).self) { try render("max") }
    #expect("\(try #require(shown))".contains("--chat-template"))
  }

  @Test(arguments: ["deepseek_v32", "deepseek_v4"]) func toolsAreRefusedInWords(model: String) throws {
    let codec = try codec(model)
    let tools: JSONValue = [["type": "function", "function": ["name": "add", "parameters": [:]]]]
    let shown = #expect(throws: (any Error).self) {
      try codec.render(messages, tools: tools, addGenerationPrompt: true)
    }
    #expect("\(try #require(shown))".contains("--chat-template"))
    let other = messages + [["role": "developer", "content": "2"]]
    let told = #expect(throws: (any Error).self) { try codec.render(other, addGenerationPrompt: true) }
    #expect("\(try #require(told))".contains("--chat-template"))
  }

  /// A question, two calls with reasoning, their results, and an answer.
  private let calling: [JSONValue] = [
    ["role": "user", "content": "1+1=?"],
    [
      "role": "assistant", "content": "Look.", "reasoning_content": "add",
      "tool_calls": [
        ["function": ["name": "add", "arguments": ["what": "a \"1\"", "numbers": [1, 2]]]],
        ["function": ["name": "now", "arguments": [:]]],
      ],
    ],
    ["role": "tool", "content": "2"], ["role": "tool", "content": "noon"],
  ]

  private func calls(_ section: String) -> String {
    "Look.\n\n<｜DSML｜\(section)>\n<｜DSML｜invoke name=\"add\">\n"
      + "<｜DSML｜parameter name=\"what\" string=\"true\">a \"1\"</｜DSML｜parameter>\n"
      + "<｜DSML｜parameter name=\"numbers\" string=\"false\">[1, 2]</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
      + "<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜\(section)><｜end▁of▁sentence｜>"
  }

  @Test func callsAndResultsAreWrittenAsV4sMakersSay() throws {
    let codec = try codec("deepseek_v4")
    let plain = try codec.render(calling, addGenerationPrompt: true)
    let results = "<｜User｜><tool_result>2</tool_result>\n\n<tool_result>noon</tool_result>"
    #expect(
      plain == begin + "<｜User｜>1+1=?<｜Assistant｜></think>" + calls("tool_calls") + results
        + "<｜Assistant｜></think>")
    // Where there are results, reasoning before the last question is kept.
    let next = calling + [["role": "assistant", "content": "2"], ["role": "user", "content": "Sure?"]]
    let thinking = try codec.render(next, addGenerationPrompt: true, extra: JSONObject([("thinking", true)]))
    #expect(
      thinking == begin + "<｜User｜>1+1=?<｜Assistant｜><think>add</think>" + calls("tool_calls") + results
        + "<｜Assistant｜><think></think>2<｜end▁of▁sentence｜><｜User｜>Sure?<｜Assistant｜><think>")
  }

  @Test func callsAndResultsAreWrittenAsV32sMakersSay() throws {
    let codec = try codec("deepseek_v32")
    let results = "\n\n<function_results>\n<result>2</result>\n<result>noon</result>\n</function_results>\n\n"
    #expect(
      try codec.render(calling, addGenerationPrompt: true)
        == begin + "<｜User｜>1+1=?<｜Assistant｜></think>" + calls("function_calls") + results + "</think>")
    #expect(
      try codec.render(calling, addGenerationPrompt: true, extra: JSONObject([("thinking", true)]))
        == begin + "<｜User｜>1+1=?<｜Assistant｜><think>add</think>" + calls("function_calls") + results + "<think>")
  }

  @Test func aModelsOwnTemplateCountsAndOtherFamiliesHaveNone() throws {
    let own = try codec("deepseek_v32", template: "{{ messages[0].content }}")
    #expect(try own.render(messages, addGenerationPrompt: true) == "Be kind.")
    let other = try codec("deepseek_v3")
    #expect(try other.templateSource() == nil)
    #expect(throws: TextCodecError.noChatTemplate(folder: "a model")) {
      try other.render(messages, addGenerationPrompt: true)
    }
  }
}
