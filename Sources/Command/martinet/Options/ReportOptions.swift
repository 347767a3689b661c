import ArgumentParser
import ExpertParallelism
import Fabric
import Inference
import JSON
import Projection
import Reports
import Telemetry

/// Where to write what the run counted.
struct ReportOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Write a page with plots of where time and bytes went.", valueName: "file.html"))
  var report: String?

  @Option(help: ArgumentHelp("Write the same as JSON.", valueName: "file.json"))
  var reportJson: String?

  @Option(
    help: ArgumentHelp("Write the latest steps in the trace format of Chrome and Perfetto.", valueName: "file.json"))
  var trace: String?

  @Option(
    help: ArgumentHelp("Write which experts every token chose: what `project` replays.", valueName: "file.safetensors"))
  var recordRouting: String?

  @Option(
    help: ArgumentHelp(
      "Write which ranks should hold which experts, planned from this run's load: what --placement takes.",
      valueName: "file.json"))
  var recordPlacement: String?

  /// Spans kept on each rank: for a trace, some hundred steps of a large model; for a page, the last few.
  private static let traceSpans = 1 << 18
  private static let pageSpans = 1 << 13

  var isWanted: Bool { [report, reportJson, trace, recordRouting, recordPlacement].contains { $0 != nil } }

  /// These options as another process takes them.
  var arguments: [String] {
    [
      ("report", report), ("report-json", reportJson), ("trace", trace), ("record-routing", recordRouting),
      ("record-placement", recordPlacement),
    ].flatMap { name, value in value.map { ["--\(name)", $0] } ?? [] }
  }

  /// What every rank must know of it: each keeps its own part.
  var terms: RunTerms {
    var terms = RunTerms()
    func add(_ name: String, _ value: String?) { terms.add("--\(name)", value == nil ? "off" : "on") }
    add("report", report)
    add("report-json", reportJson)
    add("trace", trace)
    add("record-routing", recordRouting)
    add("record-placement", recordPlacement)
    return terms
  }

  /// Finds paths that nobody can write to before the work and not after it; on rank 0.
  func check() throws {
    for path in [report, reportJson, trace, recordRouting, recordPlacement].compactMap({ $0 }) {
      try ReportFile.check(path)
    }
  }

  /// Has this rank keep what a page or trace will show.
  func prepare(_ session: GenerationSession) {
    if recordRouting != nil { session.recordRouting() }
    if trace != nil { session.keepSpans(Self.traceSpans) } else if report != nil { session.keepSpans(Self.pageSpans) }
  }

  /// Collects what all ranks counted and writes it, `runs` being the repetitions it consists of; on rank 0, collective
  /// with `follow()`.
  func write(
    _ loop: GenerationLoop, _ session: GenerationSession, statistics: LoopStatistics, runs: [LoopStatistics] = []
  ) throws {
    guard isWanted else { return }
    if let recordRouting { try writeRouting(loop, session, to: recordRouting) }
    if let recordPlacement { try writePlacement(loop, session, to: recordPlacement) }
    guard report != nil || reportJson != nil || trace != nil else { return }
    var report = RunReport(
      subject: session.subject(program: "martinet \(Martinet.versionAndBuild)", command: CommandLine.arguments),
      account: try loop.collectAccounts(), tokens: [statistics.prefill.tokens, statistics.decode.tokens],
      seconds: [statistics.prefill.time / .seconds(1), statistics.decode.time / .seconds(1)])
    report.rates = [runs.map(\.prefill.tokensPerSecond), runs.map(\.decode.tokensPerSecond)]
    if !statistics.speculation.isEmpty { report.speculation = statistics.speculation }
    report.links = try loop.probeLinks()
    report.placement = try loop.placementFile(model: report.subject.model)?.json
    if let path = self.report { try ReportFile.write(report.page, to: path) }
    if let path = reportJson { try ReportFile.write(report.withoutSpans.json.text() + "\n", to: path) }
    if let path = trace { try ReportFile.write(report.trace.text() + "\n", to: path) }
    for line in report.summary { say(line) }
  }

  private func writePlacement(_ loop: GenerationLoop, _ session: GenerationSession, to path: String) throws {
    guard var file = try loop.placementFile(model: session.subject(program: "", command: []).model),
      let loads = file.loads, loads.total > 0
    else {
      say("martinet: no expert was visited: \(path) stays empty")
      return
    }
    file.placement = loop.plannedPlacement(loads)
    try ReportFile.write(file.json.text() + "\n", to: path)
  }

  private func writeRouting(_ loop: GenerationLoop, _ session: GenerationSession, to path: String) throws {
    guard let record = try loop.collectRouting() else {
      say("martinet: a dense model routes nothing: \(path) stays empty")
      return
    }
    if !record.isComplete {
      say(
        "martinet: \(path) holds the first \(Figures.count(record.rows.count, "token")) only: there is no room for more"
      )
    }
    let subject = session.subject(program: "", command: [])
    try RoutingFile(model: subject.model, hiddenSize: subject.hiddenSize, record: record).write(to: path)
  }
}
