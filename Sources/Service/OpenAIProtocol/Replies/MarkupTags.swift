/// The tags of markup in which calls have a tag for every argument, in a section of calls: DeepSeek's since V3.2, in
/// which a mark after the bracket tells them from other text, and MiniMax's.
struct MarkupTags: Sendable, Equatable {
  /// Before a tag's name; empty where there is none.
  let mark: String
  /// The section's name as the family writes it.
  let section: String
  /// Arguments say whether they are text or JSON.
  let tellsText: Bool

  let opens: [Marker]
  let closes: [Marker]
  /// Up to the name, which stands in quotes.
  let call: Marker
  let callClose: Marker
  let argument: Marker
  let argumentClose: Marker

  static let deepSeekMark = "｜DSML｜"
  static let miniMaxSection = "minimax:tool_call"

  static let deepSeek = MarkupTags(deepSeekMark, ["tool_calls", "function_calls"], tellsText: true)
  static let olderDeepSeek = MarkupTags(deepSeekMark, ["function_calls", "tool_calls"], tellsText: true)
  static let miniMax = MarkupTags("", [miniMaxSection], tellsText: false)

  /// `sections`: what a section may be called, first as the family does.
  private init(_ mark: String, _ sections: [String], tellsText: Bool) {
    (self.mark, section, self.tellsText) = (mark, sections[0], tellsText)
    opens = sections.map { Marker("<\(mark)\($0)>") }
    closes = sections.map { Marker("</\(mark)\($0)>") }
    call = Marker("<\(mark)invoke name=")
    callClose = Marker("</\(mark)invoke>")
    argument = Marker("<\(mark)parameter name=")
    argumentClose = Marker("</\(mark)parameter>")
  }

  /// Nil for other forms.
  static func of(_ syntax: ToolCallFormat.Syntax) -> MarkupTags? {
    switch syntax {
    case .markup: deepSeek
    case .olderMarkup: olderDeepSeek
    case .miniMax: miniMax
    default: nil
    }
  }

  /// What is looked for in a reply.
  var all: [Marker] { opens + closes + [call, callClose, argument, argumentClose] }

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
