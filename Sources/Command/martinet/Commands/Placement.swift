import ArgumentParser
import Checkpoints
import ExpertParallelism
import Fabric
import JSON
import Projection
import Reports
import Telemetry

/// `martinet placement`: which rank is to hold which experts, from how often they were visited.
struct Placement: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Plan which ranks hold which experts from recorded load, with replicas of those visited often.",
    discussion: """
      Takes visits from a run's report or placement, or from its routing, which is then replayed as well. The file
      written is what --placement takes; replicas need as much --replica-memory there as here.
        mpirun -n 4 martinet generate --prompt-file prompts.txt --report-json r.json --record-routing \
        routing.safetensors
        martinet placement --report-json r.json --routing routing.safetensors --replica-memory 10 --output \
        placement.json
        mpirun -n 4 martinet serve --placement placement.json --replica-memory 10
      """)

  @Option(help: ArgumentHelp("A run's report, or a placement with visits.", valueName: "file.json"))
  var reportJson: String?
  @Option(
    help: ArgumentHelp(
      "What --record-routing wrote, to replay; and to plan from where no report is given.", valueName: "file"))
  var routing: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Make up routing in which experts are chosen this unevenly, by Zipf's exponent: to plan from one half of it, \
      and to replay the other.
      """,
      valueName: "exponent"))
  var zipf: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("Experts of a layer of made-up routing.", valueName: "n"))
  var experts = 256
  @Option(parsing: .unconditional, help: ArgumentHelp("How many of them a token chooses.", valueName: "n"))
  var expertsPerToken = 8
  @Option(parsing: .unconditional, help: ArgumentHelp("Ranks. (default: those of the report)", valueName: "n"))
  var ranks: Int?
  @Option(parsing: .unconditional, help: "Ranks of each host.") var ranksPerHost = 1
  @OptionGroup var replicas: ReplicaOptions
  @Option(
    help: ArgumentHelp(
      "Begin with this placement, so that little is to be moved. (default: the plain one)", valueName: "file.json"))
  var from: String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of a step that is replayed.", valueName: "n"))
  var tokens = 256
  @Option(help: ArgumentHelp("Write the placement here.", valueName: "file.json")) var output: String?
  @Flag(help: "One JSON object.") var json = false

  /// One placement, and how it does.
  private struct Case {
    var name: String
    var placement: ModelPlacement
    var expected: (visits: Double, experts: Double)
    var replay: PlacementReplay?
    /// Experts of the rank with most.
    var mostExperts: Int
  }

  func validate() throws {
    guard reportJson != nil || routing != nil || zipf != nil else {
      throw ValidationError("give --report-json, --routing or --zipf")
    }
    if let zipf {
      guard reportJson == nil, routing == nil else {
        throw ValidationError("--zipf makes up routing, and --report-json and --routing have some: give one of them")
      }
      try require("zipf", zipf, in: ForecastOptions.zipfLimit)
      try require("experts", experts, in: 2...4096)
      try require("experts-per-token", expertsPerToken, in: 1...min(experts, 64))
      guard tokens <= 1 << 14 else { throw ValidationError("--tokens \(tokens): made-up steps have up to 16384") }
    }
    guard reportJson != nil || ranks != nil || from != nil else { throw ValidationError("give --ranks") }
    try require("ranks", ranks, in: 1...4096)
    try require("ranks-per-host", ranksPerHost, in: 1...4096)
    try require("tokens", tokens, in: 1...65536)
  }

  func run() throws { try tellingFailure(plan) }

  private func plan() throws {
    let file = try routing.map { try RoutingFile(path: $0) }
    let madeUp = zipf.map { RoutingRecord.halves(expertCount: experts, topK: expertsPerToken, skew: $0, rows: tokens) }
    let record = madeUp?.other ?? file?.record
    let (loads, model, found) =
      try madeUp.map { ($0.one.loads(tokensPerStep: tokens), "made-up routing", nil) } ?? self.loads(file)
    let rankCount = ranks ?? found ?? 1
    let (expertCount, layers) = (loads.expertCount, loads.layers)
    let plain = ModelPlacement(expertCount: expertCount, rankCount: rankCount)
    var base = plain
    if let from {
      let file = try PlacementOptions.read(from)
      try file.check(
        expertCount: expertCount, layers: layers, modules: PlacementFile.modules(after: layers), rankCount: rankCount,
        path: from)
      base = file.placement(of: layers)
    }
    let planner = PlacementPlanner(
      expertCount: expertCount, layerCount: layers.count, rankCount: rankCount, replicaShare: replicas.share)
    let planned = planner.plan(loads, from: base)
    var placements = [("plain", plain), ("planned", planned)]
    if from != nil { placements.insert(("given", base), at: 1) }
    let cases = placements.map { name, placement in
      Case(
        name: name, placement: placement, expected: PlacementPlanner.meanFactors(loads, placement),
        replay: record.map { record in
          PlacementReplay(
            record, batch: tokens,
            layout: Layout(
              rankCount: rankCount, ranksPerHost: ranksPerHost, expertCount: expertCount, placement: placement))
        },
        mostExperts: (0..<rankCount).map { placement.expertCount(of: .init($0), layers: layers) }.max() ?? 0)
    }
    let planning = PlacementFile(model: model, placement: planned, layers: layers, loads: loads)
    if let output { try ReportFile.replace(output, with: planning.json.text() + "\n") }
    if json { return show(report(cases, rankCount).text(pretty: true)) }
    show(
      """
      \(Figures.count(expertCount, "expert")) in each of \(Figures.count(layers.count, "layer")) on \
      \(Figures.count(rankCount, "rank")); the busiest rank over the mean of all
      """
    )
    for one in cases { show(line(one)) }
  }

  /// Visits, the model's name, and how many ranks there were.
  private func loads(_ routing: RoutingFile?) throws -> (ExpertLoads, String, Int?) {
    guard let path = reportJson else {
      guard let routing else { throw ValidationError("give --report-json or --routing") }
      let ranks = try from.map { try PlacementOptions.read($0).placement.rankCount }
      return (routing.record.loads(tokensPerStep: tokens), routing.model, ranks)
    }
    let json: JSONValue
    do { json = try JSONValue(parsing: try InputFile(path: path).contents(limit: 1 << 30)) } catch let error
      as JSONError
    {
      throw ProjectionError.malformedReport(path: path, reason: "\(error)")
    }
    let found: (loads: ExpertLoads?, model: String, ranks: Int)
    if json["schema"]?.string == "martinet-placement" {
      let file = try PlacementFile(json: json, path: path)
      found = (file.loads, file.model, file.placement.rankCount)
    } else {
      do {
        let report = try RunReport(json: json)
        found = (report.loads, report.subject.model, report.rankCount)
      } catch { throw ProjectionError.malformedReport(path: path, reason: error.reason) }
    }
    guard let loads = found.loads, loads.total > 0 else {
      throw ProjectionError.nothingMeasured(path: path, reason: "it tells of no visits to experts")
    }
    if let routing, let path = self.routing {
      // A prediction module's layer is counted, and its choices are not recorded.
      guard routing.record.expertCount == loads.expertCount, Set(routing.record.layers).isSubset(of: loads.layers)
      else {
        throw ProjectionError.mismatchedRouting(
          path: path, reason: "it is of other layers or of another number of experts")
      }
    }
    return (loads, found.model, found.ranks)
  }

  private func line(_ one: Case) -> String {
    func factors(_ visits: Double, _ experts: Double) -> String {
      "\(Figures.decimals(visits, 2)) × visits, \(Figures.decimals(experts, 2)) × experts"
    }
    let replicas = one.placement.replicaCount
    var text = "  \(one.name.padding(to: 9))\(factors(one.expected.visits, one.expected.experts)) expected"
    if let replay = one.replay {
      text +=
        """
        ; \(factors(replay.busiest.visits, replay.busiest.experts)) replayed, \
        \(Figures.decimals(replay.rowsOut, 2)) rows out and \(Figures.decimals(replay.rowsBack, 2)) back for a token
        """
    }
    text += "; \(Figures.count(one.mostExperts, "expert")) on the fullest rank"
    return text + (replicas > 0 ? ", \(Figures.count(replicas, "replica")) in all" : "")
  }

  private func report(_ cases: [Case], _ rankCount: Int) -> JSONValue {
    [
      "ranks": .int(rankCount),
      "placements": .array(
        cases.map { one in
          [
            "name": .string(one.name), "expected_visits": .double(one.expected.visits),
            "expected_experts": .double(one.expected.experts),
            "replayed_visits": one.replay.map { .double($0.busiest.visits) } ?? .null,
            "replayed_experts": one.replay.map { .double($0.busiest.experts) } ?? .null,
            "rows_out": one.replay.map { .double($0.rowsOut) } ?? .null,
            "rows_back": one.replay.map { .double($0.rowsBack) } ?? .null,
            "most_experts": .int(one.mostExperts), "replicas": .int(one.placement.replicaCount),
          ]
        }),
    ]
  }
}
