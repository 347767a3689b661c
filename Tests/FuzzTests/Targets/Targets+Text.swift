import ChatTemplates
import Foundation
import JSON
import TestSupport
import Tokenization

@testable import ModelText

extension FuzzTarget {
  static let text = [json, tokenizer, tiktoken, texts, template, program]

  private static let json = FuzzTarget(
    "json", inputs: 30_000,
    seeds: {
      RequestFixture.all.map(\.bytes) + [#"[1e308,-0.0,"\ud83d\ude00\n",{"":[]},true,null]"#].map { Array($0.utf8) }
    },
    read: { bytes in
      let value = try JSONValue(parsing: bytes)
      try hold(try JSONValue(parsing: value.text()) == value, "what was written is not what was read")
    })

  /// Of each kind of tokenizer one.
  private static let tokenizerFiles = ["deepseek_v3", "gpt_oss", "llama", "mixtral", "olmoe"]

  private static let tokenizer = FuzzTarget(
    "tokenizer", inputs: 250, pieces: jsonPieces + ["\"BPE\"", "\"Sequence\"", "(", ")*", "\\\\p{L}+", "[^"],
    seeds: { try tokenizerFiles.map { try Fixture.bytes("goldens/\($0)/tokenizer.json") } },
    read: { bytes in
      let tokenizer = try Tokenizer(json: try JSONValue(parsing: bytes), config: nil)
      let ids = try tokenizer.encode("Hello <s> wörld\n 12", addSpecialTokens: true)
      _ = try tokenizer.decode(ids, skipSpecialTokens: false)
    })

  private static let tiktoken = FuzzTarget(
    "tiktoken", inputs: 250, pieces: ["\n", " 0\n", " 639", "AA== 640\n", "==", "////", "\r", " ", "-"],
    seeds: { [try Fixture.bytes("tokenizers/tiktoken/tiktoken.model")] },
    read: { bytes in
      let tokenizer = try Tokenizer(tiktoken: bytes, config: ["tokenizer_class": "TikTokenTokenizer"])
      let text = "the experts 专家 it's\n 12"
      let ids = try tokenizer.encode(text, addSpecialTokens: true)
      try hold(try tokenizer.decode(ids, skipSpecialTokens: false) == text, "the text became another")
    })

  /// Texts for one tokenizer: encoding and decoding gives the text, or what the tokenizer's normaliser makes of it.
  private static let texts = FuzzTarget(
    "texts", inputs: 4000,
    pieces: ["<s>", " ", "\r\n", "\u{301}", "日本", "\u{1F468}\u{200D}\u{1F469}", "123", "'s", "\u{0}"],
    seeds: {
      ["In the beginning God created the heavens.\n", "naïve Ünïcödé 日本語 12345 it's\t\t"].map { Array($0.utf8) }
    },
    read: { bytes in
      let tokenizer = try loaded.get()
      let text = String(decoding: bytes, as: UTF8.self)
      let ids = try tokenizer.encode(text, addSpecialTokens: false)
      let decoded = try tokenizer.decode(ids, skipSpecialTokens: false)
      try hold(decoded.utf8.elementsEqual(text.utf8), "\(text.debugDescription) became \(decoded.debugDescription)")
    })

  /// The program beside DeepSeek's weights: whatever it says, what becomes of it is a template that can be rendered.
  private static let program = FuzzTarget(
    "program", inputs: 3000,
    pieces: [
      "REASONING_EFFORT_PROMPTS", "REASONING_EFFORT_MAX", "TOOLS_TEMPLATE", "TOOLS_SYSTEM_TEMPLATE", " = ", ": str = ",
      "{",
      "}", "(", ")", "\"", "'", "\"\"\"", "\\", "\\n", "\\u12", "\n", "#", ",", "{tool_schemas}", "{dsml_token}", "{{",
      "{%", "%}",
      "'}}", "\"max\": ",
    ],
    seeds: {
      [
        "REASONING_EFFORT_MAX = (\n    \"Think.\\n\"  # hard\n    'Now {% x %}'\n)\nTOOLS_TEMPLATE = \"\"\"Calls\n{tool_schemas}\n\"\"\"\n",
        "REASONING_EFFORT_PROMPTS: Dict[str, str] = {\n    \"low\": \"\",\n    'max': (\"a\" 'b'),\n}\n",
        "TOOLS_SYSTEM_TEMPLATE = \"<{dsml_token}> {{}} {tool_schemas}'}}\"",
      ].map { Array($0.utf8) }
    },
    read: { bytes in
      let program = PythonTexts(bytes)
      let tools: JSONValue = [["type": "function", "function": ["name": "f"]]]
      for source in [FamilyTemplate.deepSeekV4(program), FamilyTemplate.deepSeekV32(program)] {
        guard let template = try? ChatTemplate(source) else {
          throw Broken(description: "what was made of it is no template")
        }
        for tools in [nil, tools] {
          let text = try template.render(
            messages: [["role": "user", "content": "hi"]], tools: tools, addGenerationPrompt: true, bosToken: nil,
            eosToken: nil, extra: JSONObject([("reasoning_effort", "high"), ("thinking", true)]))
          try hold(text.hasSuffix("hi<｜Assistant｜><think>"), "the prompt ends otherwise: \(text.debugDescription)")
        }
      }
    })

  private static let loaded = Result<Tokenizer, any Error> {
    try Tokenizer(folder: Fixture.path("goldens/deepseek_v3"))
  }

  private static let template = FuzzTarget(
    "template", inputs: 4000,
    pieces: [
      "{{", "}}", "{%", "%}", "{#", "{% for i in l %}", "{% endfor %}", "{% if x %}", "{% endif %}", "{% set x = ",
      "{% macro m(a) %}", "{% endmacro %}", "m(", "(", ")", "[", "]", "|", " ~ ", " * 99999999", "range(10)", "'", "\"",
      "loop.index", "messages", " is defined", " in ", "[::-1]", "|tojson", "|join(", "namespace(", ".items()", "%",
      "\\",
    ],
    seeds: {
      let folder = "Tests/ChatTemplatesTests/Recorded"
      let whole = try FileManager.default.contentsOfDirectory(
        atPath: Page.root.appending(path: "\(folder)/templates").path
      ).sorted().map { try Fixture.bytes(at: "\(folder)/templates/\($0)") }
      func lines(_ name: String) throws -> [String] {
        String(decoding: try Fixture.bytes(at: "\(folder)/\(name)"), as: UTF8.self).split(separator: "\n")
          .filter { !$0.hasPrefix("##") }.map { String($0).replacing("⏎", with: "\n") }
      }
      // Some recorded ones are refused, and say so.
      return whole
        + (try lines("statements.txt") + lines("expressions.txt").map { "{{ \($0) }}" }).map { Array($0.utf8) }
        .filter { (try? render($0)) != nil }
    },
    read: { try render($0) })

  private static let variables = Result<JSONObject, any Error> {
    let bytes = try Fixture.bytes(at: "Tests/ChatTemplatesTests/Recorded/conversations.json")
    return try JSONValue(parsing: bytes)["variables"]?.object ?? JSONObject()
  }

  @Sendable private static func render(_ bytes: [UInt8]) throws {
    let limits = TemplateLimits(stepCount: 20_000, stepCountPerInput: 100, allocatedByteCount: 32 << 20)
    let template = try ChatTemplate(String(decoding: bytes, as: UTF8.self), limits: limits)
    let messages: [JSONValue] = [
      ["role": "system", "content": "Be kind."], ["role": "user", "content": "Hi ☃"],
      ["role": "assistant", "content": "Hello", "reasoning_content": "hm"], ["role": "user", "content": "Bye"],
    ]
    _ = try template.render(
      messages: messages, addGenerationPrompt: true, bosToken: "<s>", eosToken: "</s>", extra: try variables.get())
  }
}
