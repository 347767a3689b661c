/// What every page of this room begins and ends with: `Resources/report.html` and `report.css`, embedded in the program
/// when it is built.
enum ReportPage {
  private static let frame = String(decoding: PackageResources.report_html, as: UTF8.self)
  private static let style = String(decoding: PackageResources.report_css, as: UTF8.self)

  /// `title` is text, `body` markup.
  static func html(title: String, body: String) -> String {
    fill(frame, [("{{title}}", SVG.escape(title)), ("{{style}}", style), ("{{body}}", body)])
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
