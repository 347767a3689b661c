/// What every page of this room begins and ends with: `Resources/report.html` and `report.css`, embedded in the program when it
/// is built.
enum ReportPage {
  private static let frame = String(decoding: PackageResources.report_html, as: UTF8.self)
  private static let style = String(decoding: PackageResources.report_css, as: UTF8.self)

  /// `title` is text, `body` markup. What they hold is not searched for the frame's marks.
  static func html(title: String, body: String) -> String {
    var page = ""
    var rest = frame[...]
    for (mark, content) in [("{{title}}", SVG.escape(title)), ("{{style}}", style), ("{{body}}", body)] {
      guard let place = rest.firstRange(of: mark) else { continue }
      page += rest[..<place.lowerBound] + content
      rest = rest[place.upperBound...]
    }
    return page + rest
  }
}
