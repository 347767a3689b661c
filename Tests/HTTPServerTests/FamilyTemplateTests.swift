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
    let result = messages + [["role": "tool", "content": "2"]]
    let told = #expect(throws: (any Error).self) { try codec.render(result, addGenerationPrompt: true) }
    #expect("\(try #require(told))".contains("--chat-template"))
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
