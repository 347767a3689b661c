/// Reads what follows `<tool_call>`, in whichever of the three forms that stand there: models write each other's.
struct ToolCallTagReader: CallReader {
  private let syntax: ToolCallFormat.Syntax
  private let tools: [ToolDefinition]
  private let open = Marker("<tool_call>")
  /// What was taken, and would be content if no call followed.
  private var raw: String
  /// Set once the form is known.
  private var reader: (any CallReader)?

  init(_ syntax: ToolCallFormat.Syntax, tools: [ToolDefinition], raw: String) {
    (self.syntax, self.tools, self.raw) = (syntax, tools, raw)
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while reader == nil {
      raw += pending.takeWhitespace()
      if pending.isEmpty, !pending.hasEnded { return .needsMore }
      // The tag may come twice.
      let (repeats, functions) = (pending.begins(with: open), CallTags.functions.map { pending.begins(with: $0) })
      let isUndecided = repeats == .undecided || functions.contains(.undecided)
      if !pending.isEmpty, isUndecided, !pending.hasEnded { return .needsMore }
      if repeats == .yes {
        raw += pending.take(open.bytes.count)
      } else {
        reader = form(pending, isFunction: functions.contains(.yes))
      }
    }
    guard var current = reader else { return .failed }
    reader = nil
    defer { reader = current }
    return current.read(&pending, into: &output)
  }

  private func form(_ pending: PendingText, isFunction: Bool) -> any CallReader {
    if isFunction { return TaggedCallReader(.functions, tools: tools, raw: raw) }
    let isObject = pending.isEmpty || Array("{[`".utf8).contains(pending[0])
    if isObject || syntax == .hermes { return CallObjectsReader(isUnmarked: false, tools: tools, raw: raw) }
    let form: CallTags.Form =
      switch syntax {
      case .glm: .keys
      case .hunyuan: .separatedKeys
      default: .functions
      }
    return TaggedCallReader(form, tools: tools, raw: raw)
  }
}
