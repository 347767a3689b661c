/// The tags of DeepSeek's markup, which calls are written in since V3.2: a section of calls, each with a tag for every
/// argument. A mark after the bracket tells them from other text.
struct MarkupTags: Sendable, Equatable {
  static let mark = "｜DSML｜"
  /// What a section is called: V4's name first.
  private static let sections = ["tool_calls", "function_calls"]

  static let opens = sections.map { Marker("<\(mark)\($0)>") }
  static let closes = sections.map { Marker("</\(mark)\($0)>") }
  /// Up to the name, which stands in quotes.
  static let call = Marker("<\(mark)invoke name=")
  static let callClose = Marker("</\(mark)invoke>")
  static let argument = Marker("<\(mark)parameter name=")
  static let argumentClose = Marker("</\(mark)parameter>")

  /// The section's name as a family writes it.
  static func section(_ syntax: ToolCallFormat.Syntax) -> String? {
    switch syntax {
    case .markup: sections[0]
    case .olderMarkup: sections[1]
    default: nil
    }
  }

  /// What is looked for in a reply.
  static let all = opens + closes + [call, callClose, argument, argumentClose]

  /// The value in quotes at the beginning of `text`, and what an attribute `string` says; nil without quotes.
  static func attributes(_ text: String) -> (name: String, isText: Bool?)? {
    let text = SectionReader.trimmed(text)
    guard let quote = text.first, quote == "\"" || quote == "'", let end = text.dropFirst().firstIndex(of: quote) else {
      return nil
    }
    let name = String(text[text.index(after: text.startIndex)..<end])
    let rest = text[text.index(after: end)...]
    let isText: Bool? =
      ["true", "false"].first { word in rest.contains("string=\"\(word)\"") || rest.contains("string='\(word)'") }
      .map { $0 == "true" }
    return name.isEmpty ? nil : (name, isText)
  }
}
