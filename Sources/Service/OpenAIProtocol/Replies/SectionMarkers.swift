/// The special tokens of formats whose calls stand in a section: DeepSeek's, Kimi's and Solar's.
struct SectionMarkers: Sendable, Equatable {
  let open: String
  let callOpen: String
  /// Between what names the function and the arguments; DeepSeek's fenced form has the type before it.
  let argumentsOpen: String
  let callClose: String
  let close: String
  /// What the models write between calls.
  let separator: String

  init?(_ syntax: ToolCallFormat.Syntax) {
    switch syntax {
    case .deepSeekFenced, .deepSeekPlain:
      open = "<｜tool▁calls▁begin｜>"
      callOpen = "<｜tool▁call▁begin｜>"
      argumentsOpen = "<｜tool▁sep｜>"
      callClose = "<｜tool▁call▁end｜>"
      close = "<｜tool▁calls▁end｜>"
      separator = syntax == .deepSeekFenced ? "\n" : ""
    case .kimi:
      open = "<|tool_calls_section_begin|>"
      callOpen = "<|tool_call_begin|>"
      argumentsOpen = "<|tool_call_argument_begin|>"
      callClose = "<|tool_call_end|>"
      close = "<|tool_calls_section_end|>"
      separator = ""
    case .solar:
      open = "<|tool_calls|>"
      callOpen = "<|tool_call:begin|>"
      argumentsOpen = "<|tool_call:args|>"
      callClose = "<|tool_call:end|>"
      close = "<|calls|>"
      separator = ""
    case .none, .markup, .olderMarkup, .miniMax, .hermes, .glm, .hunyuan, .qwenCoder, .mistral, .harmony, .llama:
      return nil
    }
  }

  /// Between Solar's id and name.
  static let solarName = "<|tool_call:name|>"

  var all: [String] { [open, callOpen, argumentsOpen, callClose, close] }

  /// A marker, and how models spell it in letters of its own that are no special token.
  static func spellings(_ marker: String) -> [Marker] {
    var spellings = [marker]
    let plain = marker.replacing("▁", with: "_")
    for text in [plain, plain.replacing("｜", with: "|"), marker.replacing("calls▁begin", with: "calls")]
      + [marker.replacing("tool_calls_section", with: "tool_call_section")]
    where !spellings.contains(text) { spellings.append(text) }
    return spellings.map { Marker($0) }
  }
}
