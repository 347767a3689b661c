import JSON
import Testing

@testable import OpenAIProtocol

/// What templates of the families look like where it matters.
private let templates: [(family: String, template: String, syntax: ToolCallFormat.Syntax, asObject: Bool)] = [
  (
    "deepseek_v3",
    "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name']"
      + " + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}",
    .deepSeekFenced, false
  ),
  (
    "deepseek_v3",
    "{{'<｜tool▁call▁begin｜>' + tool['function']['name'] + '<｜tool▁sep｜>' + tool['function']['arguments']"
      + " + '<｜tool▁call▁end｜>'}}",
    .deepSeekPlain, false
  ),
  (
    "deepseek_v3",
    "{{'<｜tool▁call▁begin｜>' + tool['function']['name'] + '<｜tool▁sep｜>' + tool['function']['arguments']|tojson }}",
    .deepSeekPlain, true
  ),
  (
    "kimi_k2", "<|tool_call_begin|>{{ tool_call['id'] }}<|tool_call_argument_begin|>{{ f['arguments'] }}", .kimi, false
  ),
  (
    "qwen3_moe", "<tool_call>\\n{\"name\": \"{{ n }}\", \"arguments\": {{ tool_call.arguments | tojson }}", .hermes,
    true
  ),
  ("kimi_k2", "{% if tools %}{{ tools | tojson }}{% endif %}", .kimi, false),
  ("qwen3_moe", "<tool_call>\\n<function={{ tool_call.name }}>", .qwenCoder, true),
  (
    "glm4_moe", "<tool_call>{{ tc.name }}{% for k, v in tc.arguments.items() %}<arg_key>{{ k }}</arg_key>", .glm, true
  ),
  (
    "solar_open",
    "<|tool_call:begin|>{{ call.id }}<|tool_call:name|>{{ call.name }}<|tool_call:args|>{{ call.arguments }}", .solar,
    false
  ),
  (
    "hy_v3",
    """
    <tool_calls>\\n<tool_call>{{ tc.name }}<tool_sep>\\n{% for k, v in tc.arguments.items() %}<arg_key>{{ k \
    }}</arg_key>
    """,
    .hunyuan, true
  ),
  (
    "deepseek_v4", "<{{ '｜DSML｜' }}tool_calls>{% for k, v in tc.arguments.items() %}", .markup, true
  ),
  ("deepseek_v32", "<{{ '｜DSML｜' }}function_calls>{{ tc.arguments }}", .olderMarkup, true),
  (
    "minimax_m2", "{%- set open = '<minimax:tool_call>' -%}<invoke name=\"{{ c.name }}\">{% set a = c.arguments %}",
    .miniMax, true
  ),
  ("mixtral", "[TOOL_CALLS] [{{ tool_call.function|tojson }}]", .mistral, true),
  ("gpt_oss", "<|start|>assistant<|channel|>commentary to=functions.{{ n }}", .harmony, true),
  ("gpt_oss", "", .harmony, true),
  ("llama4", "{% if tools %}{\"name\": \"{{ n }}\", \"parameters\": {{ tool_call.arguments | tojson }}", .llama, true),
  ("mixtral", "[INST] {{ m }} [/INST]", .none, true), ("", "", .none, true),
]

@Suite struct ToolCallFormatTests {
  @Test func aTemplateShowsItsFormat() {
    for (family, template, syntax, asObject) in templates {
      let format = ToolCallFormat(chatTemplate: template, family: family)
      #expect(format.syntax == syntax, "\(family): \(template)")
      #expect(format.takesArgumentsAsObject == asObject, "\(family): \(template)")
    }
  }

  @Test func aTemplateShowsItsReasoningAndRoles() {
    let format = ToolCallFormat(chatTemplate: "{{ c.split('</think>')[-1] }}", family: "deepseek_v3")
    #expect(format.reasoningTags == .init(open: "<think>", close: "</think>"))
    #expect(format.markers == ["<think>", "</think>"])
    #expect(!format.knowsDeveloperRole && !format.supportsTools)
    #expect(ToolCallFormat(chatTemplate: "[THINK]", family: "").reasoningTags?.close == "[/THINK]")
    let solar = ToolCallFormat(chatTemplate: "<|think|><|tool_call:begin|>", family: "solar_open")
    #expect(solar.reasoningTags == .init(open: "<|think|>", close: "<|end|>"))
    #expect(ToolCallFormat(chatTemplate: "role == 'developer'", family: "").knowsDeveloperRole)
    #expect(ToolCallFormat(chatTemplate: "<think>", family: "gpt_oss").reasoningTags == nil)
  }

  @Test func aPromptShowsWhetherItOpensReasoning() {
    let format = ToolCallFormat(syntax: .none, reasoningTags: .init(open: "<think>", close: "</think>"))
    #expect(format.opensReasoning(prompt: "<｜Assistant｜><think>\n"))
    #expect(format.opensReasoning(prompt: "<｜Assistant｜><think>"))
    #expect(!format.opensReasoning(prompt: "<｜Assistant｜><think>\n\n</think>\n\n"))
    #expect(!format.opensReasoning(prompt: "<｜Assistant｜></think>"))
    #expect(!format.opensReasoning(prompt: ""))
    #expect(!ToolCallFormat(syntax: .none).opensReasoning(prompt: "<think>"))
    let harmony = ToolCallFormat(syntax: .harmony)
    #expect(harmony.opensReasoning(prompt: "<|start|>assistant<|channel|>analysis<|message|>"))
    #expect(!harmony.opensReasoning(prompt: "<|start|>assistant"))
  }

  @Test(arguments: ToolCallFormat.Syntax.allCases)
  func aForcedCallIsReadAsThatCall(syntax: ToolCallFormat.Syntax) throws {
    let sample = ReplySample(name: "", syntax: syntax, text: "")
    guard let forced = sample.format.forcedCall(tools: sampleTools) else {
      #expect(syntax == .none)
      return
    }
    #expect(forced.alternatives.map(\.toolName) == ["weather", "now"])
    #expect(forced.alternatives.map(\.schema) == sampleTools.map(\.parameters))
    let arguments = ["{\"city\": \"R\\n\u{7F}<>\", \"days\": 3}", "{}"]
    let calls = zip(forced.alternatives, arguments).map { $0.prefix + $1 + $0.suffix }
    for count in forced.allowsSeveral ? 1...2 : 1...1 {
      let text =
        forced.envelope.open + calls[..<count].joined(separator: forced.envelope.separator) + forced.envelope.close
      let events = sample.events(text.inScalars)
      let reply = reply(events)
      #expect(reply.toolCalls.map(\.name) == Array(["weather", "now"][..<count]))
      #expect(reply.toolCalls.map(\.arguments) == Array(arguments[..<count]))
      #expect(reply.content == nil && reply.reasoning == nil)
      for case .toolCallEnded(_, let isComplete) in events { #expect(isComplete) }
    }
  }

  @Test(arguments: replySamples.filter { $0.calls.count > 1 })
  func callsGoRoundThroughTheNextRequest(sample: ReplySample) throws {
    var message = try #require(reply(sample.events([sample.text])).json.object)
    // Ids of a constant source are equal; a client sends back what it got.
    message["refusal"] = .null
    let result: JSONValue = [
      "role": "tool", "tool_call_id": message["tool_calls"]?.array?.first?["id"] ?? .null, "content": "ok",
    ]
    let body: JSONValue = ["model": "m", "messages": [["role": "user", "content": "a"], .object(message), result]]
    let request = try ChatCompletionRequest(JSONValue(requestBody: body.text().utf8))
    #expect(request.messages[1].toolCalls.map(\.name) == sample.calls.map(\.name))
    #expect(request.messages[1].toolCalls.map(\.arguments) == sample.calls.map(\.arguments))
    #expect(request.messages[1].reasoning == sample.reasoning && request.messages[1].content == sample.content)
    let asText = request.messages[1].templateValue(for: ToolCallFormat(syntax: .kimi, takesArgumentsAsObject: false))
    let asObject = request.messages[1].templateValue(for: ToolCallFormat(syntax: .hermes))
    for (i, call) in sample.calls.enumerated() {
      #expect(asText["tool_calls"]?.array?[i]["function"]?["arguments"] == .string(call.arguments))
      #expect(asObject["tool_calls"]?.array?[i]["function"]?["arguments"] == (try JSONValue(parsing: call.arguments)))
    }
  }

  @Test func templatesGetRolesAndArgumentsTheyCanRead() throws {
    let developer = ChatMessage(role: .developer, content: "a")
    #expect(developer.templateValue(for: ToolCallFormat(syntax: .none)) == ["role": "system", "content": "a"])
    #expect(
      developer.templateValue(for: ToolCallFormat(syntax: .none, knowsDeveloperRole: true))
        == ["role": "developer", "content": "a"])
    let empty = ChatMessage(role: .assistant, content: "", toolCalls: [ToolCall(id: "i", name: "f", arguments: "")])
    for content in [nil, ""] {
      let calling = ChatMessage(role: .assistant, content: content, toolCalls: empty.toolCalls)
      #expect(calling.templateValue(for: ToolCallFormat(syntax: .deepSeekFenced))["content"] == .null)
      #expect(calling.templateValue(for: ToolCallFormat(syntax: .glm))["content"] == "")
    }
    let preamble = ChatMessage(role: .assistant, content: "b", reasoning: "a", toolCalls: empty.toolCalls)
    let seen = preamble.templateValue(for: ToolCallFormat(syntax: .harmony))
    #expect(seen["content"] == "" && seen["reasoning_content"] == "a\nb")
    let thought = ChatMessage(role: .assistant, content: nil, reasoning: "a")
    #expect(thought.templateValue(for: ToolCallFormat(syntax: .none))["content"] == "")
    let arguments: [(String, JSONValue)] = [
      ("", [:]), (" \n", [:]), ("{\"a\": 1}", ["a": 1]), ("oops", "oops"), ("[1]", "[1]"),
    ]
    for (text, value) in arguments {
      let message = ChatMessage(
        role: .assistant, content: nil, toolCalls: [ToolCall(id: "i", name: "f", arguments: text)])
      let seen = message.templateValue(for: ToolCallFormat(syntax: .hermes))
      #expect(seen["tool_calls"]?.array?[0]["function"]?["arguments"] == value)
    }
  }

  @Test func everyMarkerAReaderNeedsIsListed() {
    for sample in replySamples where sample.hasTools {
      for call in sample.format.forcedCall(tools: sampleTools)?.alternatives ?? [] {
        let specials = (call.prefix + call.suffix).matches(of: #/<[|｜/]?[a-z_▁]+[|｜]?>/#).map { String($0.output) }
        for special in specials { #expect(sample.format.markers.contains(special), "\(special)") }
      }
    }
  }
}
