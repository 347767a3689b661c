extension ToolCallFormat {
  static func syntax(family: String, shows: (String) -> Bool) -> Syntax {
    if shows("<|channel|>") || family == "gpt_oss" { return .harmony }
    if shows("<｜tool▁call▁begin｜>") { return shows("```json") ? .deepSeekFenced : .deepSeekPlain }
    if shows(MarkupTags.deepSeekMark) { return shows("function_calls") ? .olderMarkup : .markup }
    if shows(MarkupTags.miniMaxSection) { return .miniMax }
    if shows("<|tool_call:begin|>") { return .solar }
    // Kimi's first template offers tools without showing how they are called.
    if shows("<|tool_call_begin|>") || family == "kimi_k2" && shows("tools") { return .kimi }
    if shows("<arg_key>") { return shows("<tool_sep>") ? .hunyuan : .glm }
    if shows("<tool_call>") { return shows("<function=") ? .qwenCoder : .hermes }
    if shows("[TOOL_CALLS]") { return .mistral }
    if shows("<|python_tag|>") || shows("\"parameters\":") || family == "llama4" && shows("tools") { return .llama }
    return .none
  }

  static func reasoningTags(_ syntax: Syntax, shows: (String) -> Bool) -> ReasoningTags? {
    if syntax == .harmony { return nil }
    if syntax == .solar { return shows("<|think|>") ? ReasoningTags(open: "<|think|>", close: "<|end|>") : nil }
    if shows("<think>") || shows("</think>") { return ReasoningTags(open: "<think>", close: "</think>") }
    if shows("[THINK]") { return ReasoningTags(open: "[THINK]", close: "[/THINK]") }
    return nil
  }

  /// Looks at what follows the word `arguments`: a filter `tojson` or a method of objects asks for an object.
  static func takesArgumentsAsObject(_ syntax: Syntax, _ template: [UInt8]) -> Bool {
    let word = Array("arguments".utf8)
    let quotes = Set("'\"]) ".utf8)
    for range in template.ranges(of: word) {
      let rest = template[range.upperBound...].prefix(64).drop { quotes.contains($0) }
      if rest.starts(with: ".items".utf8) { return true }
      if rest.first == UInt8(ascii: "|"), rest.dropFirst().drop(while: { $0 == 0x20 }).starts(with: "tojson".utf8) {
        return true
      }
    }
    switch syntax {
    case .deepSeekFenced, .deepSeekPlain, .kimi, .solar: return false
    case .none, .markup, .olderMarkup, .miniMax, .hermes, .glm, .hunyuan, .qwenCoder, .mistral, .harmony, .llama:
      return true
    }
  }
}
