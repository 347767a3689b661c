/// A page of HTML with places for what differs: `{{name}}` stands for a text or a picture, and what is between
/// `<!--each name-->` and `<!--end name-->` is there once for each entry of a list, which may have none.
struct PageTemplate: Sendable {
  /// What stands in a place.
  enum Value: Sendable {
    /// Is escaped.
    case text(String)
    /// Is markup already: pictures, styles, scripts.
    case markup(String)
    /// What stands in the places of each entry; other places have what they have outside.
    case each([[String: Value]])
  }

  private indirect enum Part: Sendable {
    case markup(Substring)
    case place(String)
    case each(String, [Part])
  }

  private let parts: [Part]

  /// Of a resource of this room, whose lists all have an end.
  init(_ page: String) {
    var rest = page[...]
    parts = Self.parts(&rest, until: nil)
  }

  private static func parts(_ rest: inout Substring, until end: String?) -> [Part] {
    var parts: [Part] = []
    while let place = nextPlace(rest) {
      parts.append(.markup(rest[..<place.range.lowerBound]))
      rest = rest[place.range.upperBound...]
      switch place.mark {
      case .name(let name): parts.append(.place(name))
      case .each(let name): parts.append(.each(name, Self.parts(&rest, until: name)))
      case .end(let name):
        precondition(name == end, "a page in which \(name) ends and \(end ?? "nothing") was begun")
        return parts
      }
    }
    precondition(end == nil, "a page in which \(end ?? "") does not end")
    return parts + [.markup(rest)]
  }

  private enum Mark { case name(String), each(String), end(String) }

  private static func nextPlace(_ text: Substring) -> (range: Range<Substring.Index>, mark: Mark)? {
    guard
      let begin = [text.firstRange(of: "{{"), text.firstRange(of: "<!--")].compactMap({ $0 })
        .min(by: { $0.lowerBound < $1.lowerBound })
    else { return nil }
    let closing = text[begin] == "{{" ? "}}" : "-->"
    guard let end = text[begin.upperBound...].firstRange(of: closing) else {
      preconditionFailure("a place of a page that does not end")
    }
    let words = text[begin.upperBound..<end.lowerBound].split(separator: " ").map(String.init)
    let range = begin.lowerBound..<end.upperBound
    switch (closing, words.first, words.count) {
    case ("}}", let name?, 1): return (range, .name(name))
    case ("-->", "each", 2): return (range, .each(words[1]))
    case ("-->", "end", 2): return (range, .end(words[1]))
    default: preconditionFailure("\(text[range]) is no place of a page")
    }
  }

  /// The page with `values` in its places. A place that has none stays as it is written, for tests to find.
  func filled(_ values: [String: Value]) -> String { Self.filled(parts, [values]) }

  /// `scopes`: the innermost last.
  private static func filled(_ parts: [Part], _ scopes: [[String: Value]]) -> String {
    var page = ""
    for part in parts {
      switch part {
      case .markup(let markup): page += markup
      case .place(let name):
        switch value(name, scopes) {
        case .text(let text): page += SVG.escape(text)
        case .markup(let markup): page += markup
        case .each, nil: page += "{{\(name)}}"
        }
      case .each(let name, let body):
        guard case .each(let entries) = value(name, scopes) else {
          page += "{{\(name)}}"
          continue
        }
        for entry in entries { page += filled(body, scopes + [entry]) }
      }
    }
    return page
  }

  private static func value(_ name: String, _ scopes: [[String: Value]]) -> Value? {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    return nil
  }
}

extension PageTemplate.Value: ExpressibleByStringInterpolation {
  /// Whatever is written in quotation marks is a text.
  init(stringLiteral text: String) { self = .text(text) }

  /// What is there where `condition` holds: without values of its own.
  static func when(_ condition: Bool) -> Self { .each(condition ? [[:]] : []) }

  /// What is there where `entry` is.
  static func when(_ entry: [String: Self]?) -> Self { .each(entry.map { [$0] } ?? []) }

  static func rows<Element>(_ elements: some Sequence<Element>, _ row: (Element) -> [String: Self]) -> Self {
    .each(elements.map(row))
  }
}
