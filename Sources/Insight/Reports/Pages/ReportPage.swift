/// The pages of this room: HTML in `Resources`, embedded in the program when it is built.
enum ReportPage {
  static let run = page(PackageResources.run_html)
  static let sweep = page(PackageResources.sweep_html)
  static let evaluation = page(PackageResources.evaluation_html)

  private static let style = text(PackageResources.report_css)

  private static func page(_ bytes: [UInt8]) -> PageTemplate { PageTemplate(text(bytes)) }

  static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// `page` with `values`, and with all pages' style where it is linked.
  static func html(_ page: PageTemplate, _ values: [String: PageTemplate.Value]) -> String {
    page.filled(values.merging(["style": .markup(style)]) { own, _ in own })
  }

  /// Puts contents in the places of marks, which follow each other. What contents hold is not searched for marks.
  static func fill(_ page: String, _ contents: [(mark: String, content: String)]) -> String {
    var filled = ""
    var rest = page[...]
    for (mark, content) in contents {
      guard let place = rest.firstRange(of: mark) else { continue }
      filled += rest[..<place.lowerBound] + content
      rest = rest[place.upperBound...]
    }
    return filled + rest
  }
}
