import JSON
import Telemetry

extension TrainingReport {
  private static let frame = text(PackageResources.training_html)
  private static let styles = [
    ("report.css", text(PackageResources.report_css)), ("training.css", text(PackageResources.training_css)),
  ]
  /// In the order of `training.html`.
  private static let scripts = [
    ("training-charts.js", text(PackageResources.training_charts_js)),
    ("training-loads.js", text(PackageResources.training_loads_js)),
    ("training-phases.js", text(PackageResources.training_phases_js)),
    ("training-policy.js", text(PackageResources.training_policy_js)),
    ("training-transcripts.js", text(PackageResources.training_transcripts_js)),
    ("training.js", text(PackageResources.training_js)),
  ]

  private static func text(_ bytes: [UInt8]) -> String { ReportPage.text(bytes) }

  /// The report as one page of HTML that needs nothing else: `Resources/training.html` with the files it names and the
  /// report's numbers in their places; its scripts draw these, and share one scope that is not the window's.
  package var page: String {
    // Nothing in the numbers can end the element that they are in.
    let numbers = json.text().replacing("<", with: "\\u003c")
    let tags = Self.scripts.map { #"<script src="\#($0.0)"></script>"# }.joined(separator: "\n")
    let script = Self.scripts.map(\.1).joined(separator: "\n")
    return ReportPage.fill(
      Self.frame,
      [("{{title}}", SVG.escape("Training \(subject.model)"))]
        + Self.styles.map { (#"<link rel="stylesheet" href="\#($0.0)">"#, "<style>\n\($0.1)</style>") }
        + [("{{report}}", numbers), (tags, "<script>(() => {\n\"use strict\";\n\(script)})();\n</script>")])
  }
}
