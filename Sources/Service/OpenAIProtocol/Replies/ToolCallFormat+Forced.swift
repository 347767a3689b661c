extension ToolCallFormat {
  /// The form of calls of `tools`, any of them; nil where the template shows no form of calls that is known.
  package func forcedCall(tools: [ToolDefinition]) -> ForcedCall? {
    guard let (envelope, allowsSeveral) = forcedEnvelope else { return nil }
    return ForcedCall(
      alternatives: tools.compactMap { tool in
        guard let (prefix, suffix) = forcedParts(name: tool.name) else { return nil }
        return .init(
          toolName: tool.name, prefix: prefix, schema: tool.parameters, isStrict: tool.isStrict, suffix: suffix)
      }, envelope: envelope, allowsSeveral: allowsSeveral)
  }

  private var forcedEnvelope: (ForcedCall.Envelope, allowsSeveral: Bool)? {
    // What ends its section ends the model's turn, and is no text.
    if syntax == .solar { return (.init(open: "<|tool_calls|>", separator: "", close: ""), true) }
    if let section = SectionMarkers(syntax) {
      return (.init(open: section.open, separator: section.separator, close: section.close), true)
    }
    if let tags = MarkupTags.of(syntax) {
      return (.init(open: tags.opens[0].text + "\n", separator: "\n", close: "\n" + tags.closes[0].text), true)
    }
    switch syntax {
    case .hermes, .glm, .qwenCoder: return (.init(open: "", separator: "\n", close: ""), true)
    case .hunyuan: return (.init(open: "<tool_calls>\n", separator: "\n", close: "\n</tool_calls>"), true)
    case .mistral: return (.init(open: "[TOOL_CALLS] [", separator: ", ", close: "]"), true)
    case .harmony: return (.init(open: "", separator: "", close: ""), false)
    case .llama: return (.init(open: "", separator: "; ", close: ""), true)
    case .none, .deepSeekFenced, .deepSeekPlain, .markup, .olderMarkup, .miniMax, .kimi, .solar: return nil
    }
  }

  private func forcedParts(name: String) -> (prefix: String, suffix: String)? {
    // As GLM's below.
    if let tags = MarkupTags.of(syntax) {
      return ("\(tags.call.text)\"\(name)\">\n", "\n\(tags.callClose.text)")
    }
    return switch syntax {
    case .none, .markup, .olderMarkup, .miniMax: nil
    case .deepSeekFenced:
      ("<｜tool▁call▁begin｜>function<｜tool▁sep｜>\(name)\n```json\n", "\n```<｜tool▁call▁end｜>")
    case .deepSeekPlain: ("<｜tool▁call▁begin｜>\(name)<｜tool▁sep｜>", "<｜tool▁call▁end｜>")
    case .kimi: ("<|tool_call_begin|>functions.\(name):0<|tool_call_argument_begin|>", "<|tool_call_end|>")
    case .solar: ("<|tool_call:begin|>0000000000<|tool_call:name|>\(name)<|tool_call:args|>", "<|tool_call:end|>")
    case .hermes: ("<tool_call>\n{\"name\": \"\(name)\", \"arguments\": ", "}\n</tool_call>")
    // Keys and values between tags cannot be said by a schema: a forced call has the arguments as one JSON object,
    // which `ReplyParser` reads too.
    case .glm: ("<tool_call>\(name)\n", "\n</tool_call>")
    case .hunyuan: ("<tool_call>\(name)<tool_sep>\n", "\n</tool_call>")
    case .qwenCoder: ("<tool_call>\n<function=\(name)>\n", "\n</function>\n</tool_call>")
    case .mistral: ("{\"name\": \"\(name)\", \"arguments\": ", "}")
    // What ends the call ends the model's turn, and is no text.
    case .harmony: ("<|channel|>commentary to=functions.\(name) <|constrain|>json<|message|>", "")
    case .llama: ("{\"name\": \"\(name)\", \"parameters\": ", "}")
    }
  }
}
