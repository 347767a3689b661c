/// The tags of formats that write a call's name, keys and values between tags, after `<tool_call>`.
struct CallTags: Sendable, Equatable {
  /// Before the name; nil where nothing is.
  let nameOpen: Marker?
  let nameClose: Marker
  let keyOpen: Marker
  let keyClose: Marker
  /// Nil where a value follows its key at once, or on the next line.
  let valueOpen: Marker?
  let valueCloses: [Marker]
  let close: Marker
  /// Nil where `close` ends what `<tool_call>` has opened.
  let outerClose: Marker?

  init?(_ syntax: ToolCallFormat.Syntax) {
    switch syntax {
    case .glm:
      (nameOpen, nameClose) = (nil, Marker("\n"))
      (keyOpen, keyClose) = (Marker("<arg_key>"), Marker("</arg_key>"))
      (valueOpen, valueCloses) = (Marker("<arg_value>"), [Marker("</arg_value>")])
      (close, outerClose) = (Marker("</tool_call>"), nil)
    case .qwenCoder:
      (nameOpen, nameClose) = (Marker("<function="), Marker(">"))
      (keyOpen, keyClose) = (Marker("<parameter="), Marker(">"))
      (valueOpen, valueCloses) = (nil, [Marker("\n</parameter>"), Marker("</parameter>")])
      (close, outerClose) = (Marker("</function>"), Marker("</tool_call>"))
    case .none, .deepSeekFenced, .deepSeekPlain, .kimi, .hermes, .mistral, .harmony, .llama: return nil
    }
  }
}
