import ArgumentParser
import Checkpoints
import ExpertParallelism
import Fabric
import Inference
import JSON
import MoEModel
import ModelRuntime
import Tensors

/// `martinet inspect`: what is in a checkpoint, from its headers.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What a checkpoint holds, and what each rank would hold of it; reads headers only.")

  @Argument(
    help: ArgumentHelp(
      "The checkpoint's folder, or its GGUF file. (default: the demonstration model's)", valueName: "dir"))
  var folder: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Also show what each of n ranks would hold.", valueName: "n"))
  var ranks: Int?

  @Option(
    help: ArgumentHelp(
      "Count the multi-token prediction layer, too, where this loads it.", valueName: "off|auto|mtp|lookup"))
  var speculate = SpeculationMode.off

  @Option(
    help: ArgumentHelp(
      "Which rank would hold which experts, instead of as many on each; its number of ranks is that of --ranks.",
      valueName: "file.json"))
  var placement: String?

  @Option(
    help: ArgumentHelp(
      "With --ranks: how ranks would share what is no routed expert. Sliced, up to 64 ranks.",
      valueName: "spread|sliced"))
  var layout = RankLayout.spread

  @Flag(help: "One JSON object.")
  var json = false

  func validate() throws {
    try require("ranks", ranks, in: 1...65536)
    guard layout != .auto else {
      throw ValidationError("--layout auto is decided by what messages take: give spread or sliced")
    }
    if layout == .sliced, (ranks ?? 1) > Self.slicedLimit {
      throw ValidationError("--layout sliced: --ranks \(ranks ?? 1) is not between 1 and \(Self.slicedLimit)")
    }
  }

  func run() throws {
    try withRanks { communicator in
      guard communicator.isRoot else { return }
      do { try report() } catch { throw ToldFailure(error: error) }
    }
  }

  private func report() throws {
    var options = ModelOptions()
    options.model = folder
    let checkpoint = try CheckpointFormat.open(try options.folder())
    var description = try ModelConfiguration.read(checkpoint)
    var speculation = SpeculationOptions()
    speculation.mode = speculate
    let layersThere = description.predictionLayerCount
    if try speculation.loadsModule(of: description, in: checkpoint) { description = description.predicting() }
    let run = description.predicts ? description.predictionLayerCount : 0
    let leftOut = layersThere - run + description.outerPredictionLayerCount
    let inventory = try ModelInventory(description, checkpoint: checkpoint)
    let file = try placement.map { try PlacementOptions.read($0) }
    let shares =
      try (ranks ?? file?.placement.rankCount).map { ranks -> [RankShare] in
        if let file, let path = placement {
          try file.check(
            expertCount: description.moe?.expertCount ?? 0, layers: description.moeLayers,
            modules: description.moduleLayers, rankCount: ranks, path: path)
        }
        return try layout == .sliced
          ? RankShare.sliced(description, checkpoint, ranks: ranks, placement: file?.placement)
          : RankShare.spread(description, checkpoint, ranks: ranks, placement: file?.placement)
      } ?? []
    let report = CheckpointReport(
      description: description, inventory: inventory, shares: shares, checkpoint: checkpoint, leftOut: leftOut)
    if json { show(report.json.text()) } else { for line in report.lines { show(line) } }
  }

  /// Of each rank's slices a walk of all headers tells.
  private static let slicedLimit = 64
}
