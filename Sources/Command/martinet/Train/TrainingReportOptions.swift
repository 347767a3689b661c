import ArgumentParser

/// Where to write what a training told and counted.
struct TrainingReportOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write a page with curves, loads, phases and bytes, at each checkpoint and at the end.", valueName: "file.html"))
  var report: String?

  @Option(help: ArgumentHelp("Write the same as JSON.", valueName: "file.json"))
  var reportJson: String?

  @Option(
    help: ArgumentHelp(
      "Write the latest steps in the trace format of Chrome and Perfetto, at the end.", valueName: "file.json"))
  var trace: String?

  /// Spans of each kind that a rank keeps for a trace: some hundred steps of a small model.
  static let traceSpans = 1 << 16

  /// Finds paths that nobody can write to before the work and not after it; on rank 0.
  func check() throws {
    for path in [report, reportJson, trace].compactMap({ $0 }) { try ReportFile.check(path) }
  }
}
