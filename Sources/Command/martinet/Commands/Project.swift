import ArgumentParser
import Checkpoints
import ExpertParallelism
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
      Replays recorded routing through a model of work and network that is fitted to reports. Runs at settings that are not
      fitted, given with --validate, say how far off it is; the range printed is that error, root mean square.
        mpirun -n 2 martinet bench generate --batch 32 --report-json r2.json --record-routing routing.safetensors
        mpirun -n 4 martinet bench generate --batch 32 --report-json r4.json
        martinet project --report-json r2.json --validate r4.json --routing routing.safetensors --ranks 4,16,64 --network 25gbe
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
  var batch = "1,32"
  @Option(parsing: .unconditional, help: "Tokens of each rank in prefill steps.") var prefillTokens = 512
  @Option(
    help: ArgumentHelp(
      "measured (the reports' own), \(Network.presetNames.joined(separator: ", ")), or a JSON file.", valueName: "name")
  )
  var network = "measured"
  @Option(
    help: ArgumentHelp(
      "Another model: a folder or a config.json. Its routing is assumed to be even.", valueName: "path"))
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
      "Also with experts placed by the routing's load, and so much memory for replicas: percent of what the mean rank's experts take.",
      valueName: "percent"))
  var replicaMemory: Double?
  @Option(
    parsing: .unconditional, help: "Cores that all ranks of the reports shared, where their hosts were one machine.")
  var sharedCores: Int?
  @Flag(help: "One JSON object.") var json = false

  /// Ranks and batches beyond these take minutes to replay.
  private static let limit = 4096

  func validate() throws {
    _ = try list("ranks", ranks)
    _ = try list("batch", batch)
    guard (1...Self.limit).contains(ranksPerHost) else {
      throw ValidationError("--ranks-per-host must be between 1 and \(Self.limit)")
    }
    guard (1...Self.limit).contains(prefillTokens) else {
      throw ValidationError("--prefill-tokens must be between 1 and \(Self.limit)")
    }
    guard sharedCores.map({ (1...Self.limit).contains($0) }) ?? true else {
      throw ValidationError("--shared-cores must be between 1 and \(Self.limit)")
    }
    guard (0.001...10_000).contains(speed) else { throw ValidationError("--speed must be between 0.001 and 10000") }
    guard replicaMemory.map({ PlacementOptions.replicaLimit.contains($0) }) ?? true else {
      throw ValidationError("--replica-memory must be between 0 and 10000 percent")
    }
    guard routing != nil || model != nil else {
      throw ValidationError("give --routing, or --model for another model with even routing")
    }
  }

  private func list(_ name: String, _ text: String) throws -> [Int] {
    let numbers = try InputText.ids(text)
    guard !numbers.isEmpty, numbers.allSatisfy({ (1...Self.limit).contains($0) }) else {
      throw ValidationError("--\(name) \(text): each must be between 1 and \(Self.limit)")
    }
    return numbers
  }

  func run() throws {
    do { try project() } catch let error where !(error is ExitCode || error is ValidationError) {
      say("martinet: \(error)")
      throw ExitCode(1)
    }
  }

  private func project() throws {
    let reports = try read(reportJson)
    let others = try validation.map(read) ?? []
    let target = try model.map(Self.describe)
    if let model, target?.mixture == nil {
      throw ProjectionError.nothingMeasured(path: model, reason: "a dense model has no experts to spread")
    }
    let record = try self.record(reports[0])
    let projector = try Projector(
      fitting: reports, validating: others, record: record, sharedCores: sharedCores,
      path: String(reportJson.split(separator: ",").first ?? ""))
    let links = try self.network(reports)
    let even = target.flatMap { description in
      description.mixture.map {
        RoutingRecord.even(
          expertCount: $0.expertCount, topK: $0.topK, groups: $0.router.groups.map { ($0.count, $0.kept) }, layers: 4,
          rows: 4096)
      }
    }
    let hidden = target?.hiddenSize ?? reports[0].subject.hiddenSize
    let rowBytes = rowBytes(hiddenSize: hidden, measured: reports[0].subject)
    var projections: [Projection] = []
    let routed = even ?? record
    let given = try placement.map { path in
      let file = try PlacementOptions.read(path)
      try file.check(
        expertCount: routed.expertCount, layers: routed.layers, module: routed.layers.last.map { $0 + 1 },
        rankCount: file.placement.rankCount, path: path)
      return file.placement
    }
    for count in try list("ranks", ranks) {
      let cases = [(StepKind.prefill, prefillTokens * count)] + (try list("batch", batch)).map { (StepKind.decode, $0) }
      for (kind, tokens) in cases {
        for (name, placement) in placements(routed, given, ranks: count, tokens: tokens) {
          let layout = Layout(
            rankCount: count, ranksPerHost: ranksPerHost, expertCount: routed.expertCount, placement: placement)
          guard
            let outcome = projector.project(
              layout, network: links, kind: kind, batch: tokens, rowBytes: rowBytes, model: target?.work, routing: even,
              speed: speed)
          else { continue }
          projections.append(
            Projection(
              ranks: count, hosts: layout.hostCount, kind: kind, tokens: tokens, placement: name, outcome: outcome,
              error: even == nil && speed == 1 ? projector.expectedError(kind) : nil))
        }
      }
    }
    let report = ProjectionReport(
      projector: projector, network: links, projections: projections, model: target?.family, speed: speed)
    if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
  }

  /// The plain placement, and beside it those that were asked for.
  private func placements(
    _ record: RoutingRecord, _ given: ModelPlacement?, ranks count: Int, tokens: Int
  ) -> [(String, ModelPlacement)] {
    let plain = ModelPlacement(expertCount: record.expertCount, rankCount: count)
    var placements = [("plain", plain)]
    if let given, given.rankCount == count { placements.append(("given", given)) }
    if let replicaMemory, count > 1 {
      let planner = PlacementPlanner(
        expertCount: record.expertCount, layerCount: record.layers.count, rankCount: count,
        replicaShare: replicaMemory / 100)
      placements.append(("by load", planner.plan(record.loads(tokensPerStep: tokens), from: plain)))
    }
    return placements
  }

  /// Rows as asked for, or with as many bytes a number as the report's.
  private func rowBytes(hiddenSize: Int, measured: RunSubject) -> RowBytes {
    let asked = WireFormat(hiddenSize: hiddenSize, tokens: dispatchFormat ?? .float32, sums: combineFormat ?? .float32)
    func scaled(_ bytes: Int) -> Int {
      Int((Double(bytes) * Double(hiddenSize) / Double(max(measured.hiddenSize, 1))).rounded())
    }
    return RowBytes(
      token: dispatchFormat == nil ? scaled(measured.rowBytes) : asked.tokenByteCount,
      sum: combineFormat == nil ? scaled(measured.sumBytes) : asked.sumByteCount)
  }

  private func read(_ paths: String) throws -> [RunReport] {
    try paths.split(separator: ",").map(String.init).map { path in
      do {
        return try RunReport(json: try JSONValue(parsing: try InputFile(path: path).contents(limit: 1 << 30)))
      } catch let error as MalformedAccount {
        throw ProjectionError.malformedReport(path: path, reason: error.reason)
      } catch let error as JSONError { throw ProjectionError.malformedReport(path: path, reason: "\(error)") }
    }
  }

  private func record(_ report: RunReport) throws -> RoutingRecord {
    guard let routing else {
      return RoutingRecord.even(
        expertCount: report.subject.expertCount, topK: report.subject.expertsPerToken, groups: nil, layers: 4,
        rows: 4096)
    }
    let file = try RoutingFile(path: routing)
    guard file.record.expertCount == report.subject.expertCount, file.record.topK == report.subject.expertsPerToken
    else {
      throw ProjectionError.mismatchedRouting(
        path: routing,
        reason:
          "\(file.record.topK) of \(file.record.expertCount) experts, not \(report.subject.expertsPerToken) of \(report.subject.expertCount)"
      )
    }
    return file.record
  }

  private func network(_ reports: [RunReport]) throws -> Network {
    guard network == "measured" else { return try Network(network, sameHostIn: reports) }
    guard let measured = Network(measuredIn: reports) else {
      throw ProjectionError.nothingMeasured(path: reportJson, reason: "one rank alone sent no messages; give --network")
    }
    guard try measured.name == "measured" || ranksPerHost >= list("ranks", ranks).max() ?? 1 else {
      throw ProjectionError.nothingMeasured(
        path: reportJson,
        reason:
          "it has messages within one host only; give --network, or --ranks-per-host for as many ranks as are asked for"
      )
    }
    return measured
  }

  private static func describe(_ path: String) throws -> DecoderDescription {
    guard path.hasSuffix(".json") else {
      return try ModelConfiguration.read(try CheckpointFormat.open(try ModelLocation.resolve(path)))
    }
    let config = try JSONValue(
      parsing: try InputFile(path: path).contents(limit: CheckpointLimits().configByteCount),
      limits: JSONLimits(allowsNonFinite: true))
    return try ModelConfiguration.read(try ConfigReader(config, path: path))
  }
}
