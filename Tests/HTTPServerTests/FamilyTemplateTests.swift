import Foundation
import JSON
import ModelText
import TestSupport
import Testing

/// Templates of families that publish none.
struct FamilyTemplateTests {
  private func codec(_ modelType: String, template: String? = nil, program: String? = nil) throws -> TextCodec {
    let path = Page.root.appending(path: "Tests/Fixtures/goldens/deepseek_v3/tokenizer.json")
    let tokenizer = [UInt8](try Data(contentsOf: path))
    return TextCodec(path: "a model") { (name, _) in
      switch name {
      case "tokenizer.json": tokenizer
      case "config.json": Array("{\"model_type\": \"\(modelType)\"}".utf8)
      case "chat_template.jinja": template.map { Array($0.utf8) }
      case "encoding/encoding_\(modelType.replacing("deepseek_", with: "ds")).py": program.map { Array($0.utf8) }
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

  /// Programs that lie beside the weights: of the first kind, and of that with three levels.
  private static let programs = [
    ###"""
    import json
    # REASONING_EFFORT_MAX = ("a comment",)
    REASONING_EFFORT_MAX = (
        "Think {{% long %}}, it's \"hard\".\n"  # and more
        'Not \\ short\u2026 #1\n\n'
    )
    TOOLS_TEMPLATE = """## Calls

    Write "<{dsml_token}tool_calls>" after {thinking_end_token}, as in {{"a": 1}}:
    {tool_schemas}
    That is all.
    """
    def render(): return REASONING_EFFORT_MAX.format(x=1)
    """###,
    #"""
    REASONING_EFFORT_PROMPTS: Dict[str, str] = {
        "low": "",
        "high": (
            "Think.\n"
            "Hard.\n\n"
        ),
        'max': "Think on.\n\n",  # the most
    }
    DEFAULT_REASONING_EFFORT = "low"
    """#,
  ]

  /// What stands between the beginning and the first message, for a level of effort.
  private func prefix(_ codec: TextCodec, _ extra: [(String, JSONValue)]) throws -> String {
    let text = try codec.render(
      [["role": "user", "content": "1+1=?"]], addGenerationPrompt: true, extra: JSONObject(extra))
    let end = try #require(text.range(of: "<｜User｜>1+1=?<｜Assistant｜>"))
    return String(text[..<end.lowerBound].dropFirst(begin.count)) + "|" + text[end.upperBound...]
  }

  @Test func levelsOfEffortAreThoseOfTheMakersProgram() throws {
    let first = "Think {{% long %}}, it's \"hard\".\nNot \\ short… #1\n\n|<think>"
    let levels: [(Int, [String: String])] = [
      (
        0,
        [
          "minimal": "|<think>", "low": "|<think>", "medium": "|<think>", "high": "|<think>", "xhigh": first,
          "max": first,
        ]
      ),
      (
        1,
        [
          "minimal": "|<think>", "low": "|<think>", "medium": "|<think>", "high": "Think.\nHard.\n\n|<think>",
          "xhigh": "Think on.\n\n|<think>", "max": "Think on.\n\n|<think>",
        ]
      ),
    ]
    for (place, expected) in levels {
      let codec = try codec("deepseek_v4", program: Self.programs[place])
      for (effort, text) in expected {
        let level = ("reasoning_effort", JSONValue.string(effort))
        #expect(try prefix(codec, [level, ("thinking", true)]) == text, "\(effort) of \(place)")
        // Naming one is asking for it, unless a switch says otherwise.
        #expect(try prefix(codec, [level]) == text && prefix(codec, [level, ("thinking", false)]) == "|</think>")
      }
      for extra in [[], [("reasoning_effort", .null)], [("reasoning_effort", "none"), ("thinking", true)]]
        as [[(String, JSONValue)]]
      {
        #expect(try prefix(codec, extra) == "|</think>")
      }
      #expect(try prefix(codec, [("thinking", true)]) == "|<think>")
      for value in ["huge", .int(3), .bool(true)] as [JSONValue] {
        let shown = #expect(throws: (any Error).self) { try prefix(codec, [("reasoning_effort", value)]) }
        #expect("\(try #require(shown))".contains("none, minimal, low, medium, high, xhigh, max"), "\(value)")
      }
    }
  }

  /// A mebibyte of brackets, which opens one in another, and one of strings that stand one after another.
  @Test func whateverIsInAProgramTheModelIsAsked() throws {
    func program(_ text: String) throws -> TextCodec {
      try codec("deepseek_v4", program: "REASONING_EFFORT_MAX = " + text)
    }
    let most = [("reasoning_effort", JSONValue.string("max"))]
    let deep = try program(String(repeating: "(", count: 1 << 20))
    #expect(try prefix(deep, []) == "|</think>")
    #expect(throws: (any Error).self) { try prefix(deep, most) }
    #expect(try prefix(program("(((('a')) 'b'))"), []) == "|</think>")
    #expect(try prefix(program("(((\n'a' # one\n)))"), most) == "a|<think>")
    let many = try prefix(program("(" + String(repeating: "'a' ", count: 200_000) + ")"), most)
    #expect(many == String(repeating: "a", count: 200_000) + "|<think>")
  }

  @Test func toolsAreToldOfInTheMakersWords() throws {
    let codec = try codec("deepseek_v4", program: Self.programs[0])
    let tools: JSONValue = [
      ["type": "function", "function": ["name": "add", "parameters": [:]]],
      ["type": "function", "function": ["name": "now", "description": "ü"]],
    ]
    let told = """
      \n\n## Calls

      Write "<｜DSML｜tool_calls>" after </think>, as in {"a": 1}:
      {"name": "add", "parameters": {}}
      {"name": "now", "description": "ü"}
      That is all.

      """
    let text = try codec.render(
      messages, tools: tools, addGenerationPrompt: true, extra: JSONObject([("thinking", true)]))
    // With tools all reasoning is kept.
    #expect(
      text == begin + "Be kind." + told + "<｜User｜>hello<｜Assistant｜><think>thinking...</think>Hello! I am DeepSeek."
        + "<｜end▁of▁sentence｜><｜User｜>1+1=?<｜Assistant｜><think>")
    let alone = try codec.render([["role": "user", "content": "hi"]], tools: tools, addGenerationPrompt: true)
    #expect(alone == begin + told + "<｜User｜>hi<｜Assistant｜></think>")
    let older = try self.codec(
      "deepseek_v32", program: "TOOLS_SYSTEM_TEMPLATE = \"Tools: {tool_schemas}; {dsml_token}\"")
    let shown = try older.render(messages, tools: [["function": ["name": "add"]]], addGenerationPrompt: true)
    #expect(shown.hasPrefix(begin + "Be kind.\n\nTools: {\"name\": \"add\"}; ｜DSML｜<｜User｜>hello"))
  }

  /// A program that says nothing, or nothing that is understood, is none.
  @Test(arguments: [
    "", "TOOLS_TEMPLATE", "TOOLS_TEMPLATE =", "TOOLS_TEMPLATE = (", "TOOLS_TEMPLATE = \"{tool_schemas", "\u{0}=\"\"\"",
    "TOOLS_TEMPLATE = f\"{tool_schemas}\"", "TOOLS_TEMPLATE = \"{tool_schemas}{other}\"", "TOOLS_TEMPLATE = \"{\"",
    "TOOLS_TEMPLATE = \"{tool_schemas}{tool_schemas}\"", "TOOLS_TEMPLATE = \"\"\"{tool_schemas}",
    "TOOLS_TEMPLATE = \"\\",
    "REASONING_EFFORT_PROMPTS = {\"max\": 3}", "REASONING_EFFORT_PROMPTS = {\"max\"",
    "REASONING_EFFORT_MAX = \"\\u12\"",
    "REASONING_EFFORT_PROMPTS: str\n= {\"max\": \"a\"}", "  REASONING_EFFORT_MAX = \"a\"",
    "REASONING_EFFORT_MAXIMUM = \"a\"",
    "REASONING_EFFORT_MAX = (\"a\"", "REASONING_EFFORT_MAX = \"\\UFFFFFFFF\"", "REASONING_EFFORT_MAX = #",
  ])
  func anOddProgramIsNone(program: String) throws {
    let codec = try codec("deepseek_v4", program: program)
    #expect(try prefix(codec, [("thinking", true)]) == "|<think>")
    let shown = #expect(throws: (any Error).self) { try prefix(codec, [("reasoning_effort", "max")]) }
    #expect("\(try #require(shown))".contains("encoding/encoding_dsv4.py"))
    #expect(throws: TextCodecError.toolsNotShown) {
      try codec.render(messages, tools: [["function": ["name": "add"]]], addGenerationPrompt: true)
    }
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
