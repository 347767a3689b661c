extension ToolCallFormat {
  /// The texts that `ReplyParser` looks for. Where one of them is a special token's, that token must be decoded to its
  /// text, not skipped.
  package var markers: [String] {
    var markers = reasoningTags.map { [$0.open, $0.close] } ?? []
    if let section = SectionMarkers(syntax) {
      // Of a turn's beginning the marker without the role is a token.
      if syntax == .solar { markers += ["<|begin|>", "<|end|>", "<|content|>", SectionMarkers.solarName] }
      return markers + section.all.flatMap { SectionMarkers.spellings($0).map(\.text) }
    }
    if let tags = MarkupTags.of(syntax) {
      return markers + (tags.mark.isEmpty ? [] : [tags.mark]) + tags.all.map(\.text)
    }
    switch syntax {
    case .none, .deepSeekFenced, .deepSeekPlain, .kimi, .solar, .markup, .olderMarkup, .miniMax: break
    case .glm:
      markers += ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"]
    case .hunyuan:
      markers += ["<tool_calls>", "</tool_calls>", "<tool_call>", "</tool_call>", "<tool_sep>"]
      markers += ["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"]
    case .hermes, .qwenCoder:
      markers += ["<tool_call>", "</tool_call>", "</function>", "</parameter>"]
      markers += CallTags.functions.map(\.text) + ["<parameter=", "<parameter name="]
    case .mistral: markers += ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"]
    case .harmony:
      markers += [
        "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>",
      ]
    case .llama: markers += ["<|python_tag|>"]
    }
    return markers
  }
}
