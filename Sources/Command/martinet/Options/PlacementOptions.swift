import ArgumentParser
import Checkpoints
import ExpertParallelism
import JSON
import ModelRuntime

/// Which rank holds which experts.
struct PlacementOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Which rank holds which experts of each layer: a file of `martinet placement` or --record-placement, or a \
      report. Read by rank 0. Results do not depend on it. (default: as many on each rank, the same in all layers)
      """,
      valueName: "file.json"))
  var placement: String?

  @OptionGroup var replicas: ReplicaOptions

  /// These options as another process takes them.
  var arguments: [String] {
    (placement.map { ["--placement", $0] } ?? []) + replicas.arguments
  }

  var experts: ExpertOptions {
    var experts = ExpertOptions()
    (experts.placementPath, experts.replicaShare) = (placement, replicas.share)
    return experts
  }

  /// Reads a placement, for commands that run on one rank.
  static func read(_ path: String) throws -> PlacementFile {
    do {
      return try PlacementFile(
        json: try JSONValue(parsing: try InputFile(path: path).contents(limit: 1 << 30)), path: path)
    } catch let error as JSONError { throw PlacementError.malformed(path: path, reason: "\(error)") }
  }
}

/// When a server's experts change places.
struct RebalanceOptions: ParsableArguments {
  enum Mode: String, CaseIterable, ExpressibleByArgument {
    case off, on, auto
  }

  @Option(
    help: ArgumentHelp(
      """
      Whether experts may change places while requests are served: off; on, when POST /admin/rebalance asks for \
      it; auto, also when the busiest rank has too much. Each rank keeps memory for one expert more.
      """,
      valueName: "off|on|auto"))
  var rebalance = Mode.off

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --rebalance auto: how often to look.", valueName: "minutes"))
  var rebalanceMinutes = 10.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      With --rebalance auto: what the busiest rank must have over the mean since the last look, of visits or of \
      distinct experts, for experts to change places.
      """,
      valueName: "factor"))
  var rebalanceThreshold = 1.2

  func validate() throws {
    try require("rebalance-minutes", rebalanceMinutes, in: 0.01...100_000)
    try require("rebalance-threshold", rebalanceThreshold, in: 1...1000)
  }

  /// These options as another process takes them.
  var arguments: [String] {
    [
      "--rebalance", rebalance.rawValue, "--rebalance-minutes", "\(rebalanceMinutes)", "--rebalance-threshold",
      "\(rebalanceThreshold)",
    ]
  }
}
