/// How a model writes its reasoning and its calls of functions, as its chat template shows it.
package struct ToolCallFormat: Sendable, Equatable {
  package enum Syntax: String, Sendable, CaseIterable {
    /// The template shows no form of calls that is known.
    case none
    /// DeepSeek V3 and R1: sections of special tokens, arguments in a fenced block.
    case deepSeekFenced
    /// DeepSeek V3.1: the same special tokens, name and arguments side by side.
    case deepSeekPlain
    /// DeepSeek V4: a section of tags with a mark of their own, one for each argument.
    case markup
    /// The same of DeepSeek V3.2, whose section has another name.
    case olderMarkup
    /// MiniMax M2: such tags without a mark, in a section of its own name.
    case miniMax
    /// Kimi K2: sections of special tokens, `functions.NAME:INDEX`.
    case kimi
    /// Solar Open: turns of reasoning, content and calls, each after a marker of its own; in a section an id, a name
    /// and arguments.
    case solar
    /// Qwen and Hermes: a JSON object between `<tool_call>` tags.
    case hermes
    /// GLM 4.5: a name, keys and values between tags.
    case glm
    /// Hunyuan 3: as GLM, with a tag after the name, and all calls between tags of their own.
    case hunyuan
    /// Qwen's coders: a name, keys and values in tags of their own.
    case qwenCoder
    /// Mistral and Mixtral: an array of JSON objects after `[TOOL_CALLS]`.
    case mistral
    /// gpt-oss: every reply is messages on channels, which calls are too.
    case harmony
    /// Llama 3: the whole reply is a JSON object.
    case llama
  }

  /// The tags around reasoning at a reply's beginning.
  package struct ReasoningTags: Sendable, Equatable {
    package var open: String
    package var close: String

    package init(open: String, close: String) {
      self.open = open
      self.close = close
    }
  }

  package let syntax: Syntax
  /// Nil for models that do not reason, and for channels.
  package let reasoningTags: ReasoningTags?
  /// The template goes through a call's arguments, or writes them as JSON itself; otherwise it pastes their text.
  package let takesArgumentsAsObject: Bool
  /// The template handles messages of the role `developer`.
  package let knowsDeveloperRole: Bool

  /// Reads the markers in a chat template. `family` is the configuration's `model_type`; it decides where a template
  /// shows nothing that is certain.
  package init(chatTemplate: String, family: String) {
    let template = Array(chatTemplate.utf8)
    func shows(_ marker: String) -> Bool { template.firstRange(of: Array(marker.utf8)) != nil }
    syntax = Self.syntax(family: family, shows: shows)
    reasoningTags = Self.reasoningTags(syntax, shows: shows)
    takesArgumentsAsObject = Self.takesArgumentsAsObject(syntax, template)
    knowsDeveloperRole = syntax == .harmony || shows("developer")
  }

  package init(
    syntax: Syntax, reasoningTags: ReasoningTags? = nil, takesArgumentsAsObject: Bool = true,
    knowsDeveloperRole: Bool = false
  ) {
    (self.syntax, self.reasoningTags) = (syntax, reasoningTags)
    (self.takesArgumentsAsObject, self.knowsDeveloperRole) = (takesArgumentsAsObject, knowsDeveloperRole)
  }

  /// What stands between the turns of one reply, and before its content.
  var turnMarkers: [String] { syntax == .solar ? ["<|end|>", "<|begin|>assistant", "<|content|>"] : [] }

  /// A message with nothing but calls has null as its content; otherwise empty text.
  var takesNullContent: Bool { syntax == .deepSeekFenced || syntax == .deepSeekPlain }

  /// Calls can be read, and can be forced.
  package var supportsTools: Bool { syntax != .none }

  /// The same, of models that reason as `other` says where this says nothing.
  package func reasoning(like other: ToolCallFormat) -> ToolCallFormat {
    if reasoningTags != nil || syntax == .harmony { return self }
    return ToolCallFormat(
      syntax: syntax, reasoningTags: other.reasoningTags, takesArgumentsAsObject: takesArgumentsAsObject,
      knowsDeveloperRole: knowsDeveloperRole)
  }

  /// Whether a message that is to be continued ends inside reasoning.
  package func leavesReasoningOpen(_ content: String) -> Bool {
    guard let tags = reasoningTags else { return false }
    let bytes = Array(content.utf8)
    guard let open = bytes.ranges(of: Array(tags.open.utf8)).last else { return false }
    return bytes[open.upperBound...].firstRange(of: Array(tags.close.utf8)) == nil
  }

  /// Whether a prompt has closed its reasoning, so that none comes.
  package func closesReasoning(prompt: String) -> Bool {
    guard let tags = reasoningTags else { return false }
    return prompt.utf8.reversed().drop(while: isWhitespace).starts(with: tags.close.utf8.reversed())
  }

  /// Whether a reply to this prompt begins inside reasoning, because the template has opened it already.
  package func opensReasoning(prompt: String) -> Bool {
    let channel = syntax == .harmony ? "<|channel|>analysis<|message|>" : nil
    guard let open = channel ?? reasoningTags?.open else { return false }
    return prompt.utf8.reversed().drop(while: isWhitespace).starts(with: open.utf8.reversed())
  }
}
