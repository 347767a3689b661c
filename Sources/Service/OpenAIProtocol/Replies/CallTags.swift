/// The tags of formats that write a call's name, keys and values between tags, after `<tool_call>`.
struct CallTags: Sendable, Equatable {
  enum Form: Sendable {
    /// GLM's.
    case keys
    /// Hunyuan's: a tag ends the name.
    case separatedKeys
    /// Qwen's coders'.
    case functions
  }

  /// Before the name, the right one first; empty where nothing is.
  let nameOpens: [Marker]
  let nameCloses: [Marker]
  /// The first of them is the right one.
  let keyOpens: [Marker]
  /// The first of them is the right one.
  let keyCloses: [Marker]
  /// Nil where a value follows its key at once, or on the next line.
  let valueOpen: Marker?
  let valueClose: Marker
  let close: Marker
  /// Nil where `close` ends what `<tool_call>` has opened.
  let outerClose: Marker?

  init(_ form: Form) {
    switch form {
    case .keys, .separatedKeys:
      (nameOpens, nameCloses) = ([], (form == .keys ? [] : [Marker("<tool_sep>")]) + [Marker("\n")])
      (keyOpens, keyCloses) = ([Marker("<arg_key>")], [Marker("</arg_key>"), Marker("<arg_value>")])
      (valueOpen, valueClose) = (Marker("<arg_value>"), Marker("</arg_value>"))
      (close, outerClose) = (Marker("</tool_call>"), form == .keys ? nil : Marker("</tool_calls>"))
    case .functions:
      (nameOpens, nameCloses) = (Self.functions, [Marker(">"), Marker("\n")])
      (keyOpens, keyCloses) = ([Marker("<parameter="), Marker("<parameter name=")], [Marker(">"), Marker("\n")])
      (valueOpen, valueClose) = (nil, Marker("</parameter>"))
      (close, outerClose) = (Marker("</function>"), Marker("</tool_call>"))
    }
  }

  /// What may follow a call: the beginning of the next.
  static let openers = [opener] + functions
  static let opener = Marker("<tool_call>")
  /// What begins a function's tag; the second is how models write that know XML better than their template.
  static let functions = [Marker("<function="), Marker("<function name=")]
}
