import ArgumentParser
import ExpertParallelism
import Inference
import JSON
import Kernels
import MoEModel
import Projection
import Reports
import Telemetry

/// `martinet project`: what a run would take on another cluster.
struct Project: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What steps would take with other ranks, batches, networks or models.",
    discussion: """
      Replays recorded routing through a model of work and network that is fitted to reports. Runs at settings that are
      not fitted, given with --validate, say how far off it is; the range printed is that error, root mean square.
        mpirun -n 2 martinet bench generate --batch 32 --report-json r2.json --record-routing routing.safetensors
        mpirun -n 4 martinet bench generate --batch 32 --report-json r4.json
        martinet project --report-json r2.json --validate r4.json --routing routing.safetensors --ranks 4,16,64 \
        --network 25gbe
      With --layout auto both layouts are told of, and which of them a run's --layout auto would choose.
      """)

  @Option(
    help: ArgumentHelp(
      "Reports to fit, separated by commas; of one model and one kind of machine.", valueName: "file,…"))
  var reportJson: String
  @Option(
    name: .customLong("validate"),
    help: ArgumentHelp("Reports to compare with, at other rank counts, batches or networks.", valueName: "file,…"))
  var validation: String?
  @Option(help: ArgumentHelp("What --record-routing wrote.", valueName: "file"))
  var routing: String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Ranks.", valueName: "n,…")) var ranks = "2,4,8,16"
  @Option(parsing: .unconditional, help: "Ranks of each host.") var ranksPerHost = 1
  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences in all, in decode steps.", valueName: "n,…"))
  var batch = "1,4,16,32,256"
  @Option(parsing: .unconditional, help: "Tokens of each rank in prefill steps.") var prefillTokens = 512
  @Option(
    help: ArgumentHelp(
      "measured (the reports' own), \(Network.presetNames.joined(separator: ", ")), or a JSON file.", valueName: "name")
  )
  var network = "measured"
  @Option(
    help: ArgumentHelp(
      """
      The reports' own model, for what ranks would hold of it, or another one, whose routing is assumed to be \
      even: a folder or a config.json.
      """,
      valueName: "path"))
  var model: String?
  @Option(
    help: ArgumentHelp(
      "Form of tokens between ranks: f32, bf16 or int8. (default: the first report's)", valueName: "f32|bf16|int8"))
  var dispatchFormat: RowFormat?
  @Option(
    help: ArgumentHelp("Form of experts' sums: f32 or bf16. (default: the first report's)", valueName: "f32|bf16"))
  var combineFormat: WireFormat.Sums?
  @Option(
    parsing: .unconditional,
    help: "How many times faster its ranks are than the measured ones: more cores, more memory bandwidth.")
  var speed = 1.0
  @Option(
    help: ArgumentHelp(
      "Also with this placement, for as many ranks as it is for.", valueName: "file.json"))
  var placement: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Also with experts placed by the routing's load, and so much memory for replicas: percent of what the mean \
      rank's experts take.
      """,
      valueName: "percent"))
  var replicaMemory: Double?
  @Option(
    parsing: .unconditional, help: "Cores that all ranks of the reports shared, where their hosts were one machine.")
  var sharedCores: Int?
  @OptionGroup var forecast: ForecastOptions
  @Option(
    help:
      """
      With --model, how its weights are to be held, for what ranks would hold: auto (as stored; needs a folder), \
      mixed, f32, bf16, q8 or q4.
      """
  )
  var weights = WeightPrecision.auto
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of attention cache on each rank.", valueName: "n"))
  var kvCacheTokens = 8192
  @Option(help: ArgumentHelp("Type of the attention cache.", valueName: "f32|bf16|q8")) var kvCache: CacheType = .f32
  @Flag(help: "One JSON object.") var json = false

  /// Ranks and batches beyond these take minutes to replay.
  private static let limit = 4096

  func validate() throws {
    _ = try (rankCounts(), batches())
    try require("ranks-per-host", ranksPerHost, in: 1...Self.limit)
    try require("prefill-tokens", prefillTokens, in: 1...Self.limit)
    try require("shared-cores", sharedCores, in: 1...Self.limit)
    try require("speed", speed, in: 0.001...10_000)
    try require("replica-memory", replicaMemory, in: ReplicaOptions.limit)
    guard routing == nil || forecast.zipf == 0 else {
      throw ValidationError("--zipf makes up routing, and --routing has some: give one of them")
    }
    try require("kv-cache-tokens", kvCacheTokens, in: 1...(1 << 30))
    guard routing != nil || model != nil else {
      throw ValidationError("give --routing, or --model for another model with even routing")
    }
  }

  func rankCounts() throws -> [Int] { try numbers("ranks", ranks, in: 1...Self.limit) }
  func batches() throws -> [Int] { try numbers("batch", batch, in: 1...Self.limit) }

  func run() throws { try tellingFailure(project) }

  private func project() throws {
    let reports = try reportJson.split(separator: ",").map { try ForecastOptions.report(String($0)) }
    guard let first = reports.first else { throw ValidationError("--report-json: no report is given") }
    let others = try (validation ?? "").split(separator: ",").map { try ForecastOptions.report(String($0)) }
    let target = try model.map {
      try ProjectedModel(
        $0, weights: weights, forecast: forecast, measured: first.subject.work, cacheTokens: kvCacheTokens,
        cacheType: kvCache)
    }
    if let model, let target, target.description.moe == nil {
      throw ProjectionError.nothingMeasured(path: model, reason: "a dense model has no experts to spread")
    }
    let even = target.flatMap { $0.isOther || forecast.zipf > 0 ? $0.routing(skew: forecast.zipf) : nil }
    // The reports' own model tells how its router groups experts, which they do not.
    let own = routing == nil && target?.isOther == false ? target?.routing(skew: forecast.zipf) : nil
    let record = try own ?? self.record(first)
    let projector = try Projector(
      fitting: reports, validating: others, record: record,
      exchanges: target.map { $0.isOther ? [] : $0.description.work.predicting(false).exchanges } ?? [],
      sharedCores: sharedCores,
      path: String(reportJson.split(separator: ",").first ?? ""))
    let cases = ProjectionCases(
      command: self, projector: projector, network: try network(reports), reports: reports, target: target,
      routing: even ?? record, isMadeUp: even != nil)
    let report = ProjectionReport(
      projector: projector, network: cases.network, projections: try cases.all(),
      model: target.flatMap { $0.isOther ? $0.description.family : nil }, speed: speed, zipf: forecast.zipf,
      note: target.flatMap { forecast.speculation.options.note(on: $0.description) }, choices: try cases.choices())
    if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
  }

  /// Rows as asked for, or with as many bytes a number as the report's.
  func rowBytes(hiddenSize: Int, measured: RunSubject) -> RowBytes {
    let asked = WireFormat(hiddenSize: hiddenSize, tokens: dispatchFormat ?? .float32, sums: combineFormat ?? .float32)
    func scaled(_ bytes: Int) -> Int {
      Int((Double(bytes) * Double(hiddenSize) / Double(max(measured.hiddenSize, 1))).rounded())
    }
    return RowBytes(
      token: dispatchFormat == nil ? scaled(measured.rowBytes) : asked.tokenByteCount,
      sum: combineFormat == nil ? scaled(measured.sumBytes) : asked.sumByteCount)
  }

  private func record(_ report: RunReport) throws -> RoutingRecord {
    guard let routing else {
      return RoutingRecord.even(
        expertCount: report.subject.expertCount, topK: report.subject.expertsPerToken, groups: nil, layers: 4,
        rows: 4096, skew: forecast.zipf)
    }
    let file = try RoutingFile(path: routing)
    guard file.record.expertCount == report.subject.expertCount, file.record.topK == report.subject.expertsPerToken
    else {
      throw ProjectionError.mismatchedRouting(
        path: routing,
        reason:
          """
          \(file.record.topK) of \(file.record.expertCount) experts, not \(report.subject.expertsPerToken) of \
          \(report.subject.expertCount)
          """
      )
    }
    return file.record
  }

  private func network(_ reports: [RunReport]) throws -> Network {
    guard network == "measured" else { return try Network(network, sameHostIn: reports) }
    guard let measured = Network(measuredIn: reports) else {
      throw ProjectionError.nothingMeasured(path: reportJson, reason: "one rank alone sent no messages; give --network")
    }
    guard try measured.name == "measured" || ranksPerHost >= rankCounts().max() ?? 1 else {
      throw ProjectionError.nothingMeasured(
        path: reportJson,
        reason:
          "it has messages within one host only; give --network, or --ranks-per-host for as many ranks as are asked for"
      )
    }
    return measured
  }
}
