import Checkpoints
import ExpertParallelism
import Fabric
import JSON
import MoEModel

/// What a user may say of which rank holds which experts.
package struct ExpertOptions: Sendable {
  /// A placement file, which rank 0 reads for all; nil for the plain placement.
  package var placementPath: String?
  /// In its stead: that of a model whose place another takes, if it has as many experts.
  package var placement: ModelPlacement?
  /// Memory for replicas, as a share of what the mean rank's experts take.
  package var replicaShare = 0.0
  /// Whether experts may change places while the model runs: then each rank keeps room for one more.
  package var moves = false
  package init() {}
}

/// Which rank holds which experts of a model, and what each has room for; the same on all ranks.
package struct ExpertLayout: Sendable {
  package let placement: ModelPlacement
  /// Layers that have experts.
  package let layers: [Int]
  /// What plans another placement for as much memory.
  package let planner: PlacementPlanner
  /// By rank: experts there is room for beside those it holds; none where they are not to move.
  package let spareExperts: [Int]

  private static let fileLimit = 1 << 30

  /// Reads the placement on rank 0, and checks it on all. Collective; fails on all ranks together.
  package init(_ options: ExpertOptions, _ description: DecoderDescription, on communicator: any Communicator) throws {
    let (expertCount, layers) = (description.moe?.expertCount ?? 0, description.moeLayers)
    self.layers = layers
    try agree(on: communicator) {
      guard expertCount <= PlacementLimits.experts, communicator.localSize <= PlacementLimits.ranksOnHost else {
        throw RuntimeError.tooManyExperts(expertCount, ranksOnHost: communicator.localSize)
      }
    }
    planner = PlacementPlanner(
      expertCount: expertCount, layerCount: layers.count, rankCount: communicator.size,
      replicaShare: options.replicaShare)
    let capacity = planner.capacity
    if let placement = options.placement, placement.expertCount == expertCount, placement.rankCount == communicator.size
    {
      self.placement = placement
    } else if let path = options.placementPath {
      var bytes = try agree(on: communicator) {
        communicator.isRoot ? try InputFile(path: path).contents(limit: Self.fileLimit) : []
      }
      try communicator.broadcast(&bytes, from: Rank(0))
      placement = try agree(on: communicator) {
        let file = try Self.parse(bytes, path: path)
        try file.check(
          expertCount: expertCount, layers: layers, modules: description.moduleLayers, rankCount: communicator.size,
          path: path)
        try file.check(capacity: capacity, layers: layers, path: path)
        return file.placement(of: layers)
      }
    } else {
      placement = ModelPlacement(expertCount: expertCount, rankCount: communicator.size)
    }
    spareExperts = options.spareExperts(placement, layers: layers)
  }

  private static func parse(_ bytes: [UInt8], path: String) throws -> PlacementFile {
    do { return try PlacementFile(json: try JSONValue(parsing: bytes), path: path) } catch let error as JSONError {
      throw PlacementError.malformed(path: path, reason: "\(error)")
    }
  }
}
