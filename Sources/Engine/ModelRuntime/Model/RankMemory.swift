import Checkpoints
import ExpertParallelism
import Fabric
import MoEModel

/// What one rank of a run holds of a model's weights: one count for a run that starts, `check`, `inspect --ranks` and
/// plans.
package enum RankMemory {
  /// Of each rank's slices a walk of all headers tells.
  private static let sliceLimit = 64

  /// `description` has the rank's slice, where ranks share out every matrix. `spareExperts`: room for experts that may
  /// move, beside those it holds.
  package static func budget(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, workerCount: Int, placement: ModelPlacement,
    spareExperts: Int = 0, rank: Rank
  ) throws -> WeightBudget {
    let dividesExperts = description.slice?.dividesExperts ?? false
    return try WeightBudget.measure(
      description, checkpoint: checkpoint, workerCount: workerCount, spareExperts: spareExperts
    ) { dividesExperts || placement.holds(layer: $0, expert: $1, rank) }
  }

  /// The rank that holds most, of those that `placement` is for, and how much that is. `spares`: room for further
  /// experts, by rank. `isSliced`: whether they share out every matrix, and `dividesExperts`, whether routed experts
  /// are among these. Walks the headers of all that a rank holds.
  package static func fullest(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, placement: ModelPlacement, spares: [Int],
    isSliced: Bool, dividesExperts: Bool
  ) throws -> (rank: Rank, budget: WeightBudget) {
    let (ranks, layers) = (placement.rankCount, description.moeLayers)
    func described(_ rank: Int) -> DecoderDescription {
      isSliced && ranks > 1
        ? description.sliced(ModelSlice(rank: rank, of: ranks, dividesExperts: dividesExperts)) : description
    }
    let counts = (0..<ranks).map { placement.expertCount(of: Rank($0), layers: layers) + spares[$0] }
    // Experts of a layer are alike: one of them tells how slices compare, and what is no expert differs by rows. Of
    // very many ranks some are looked at.
    var held = counts.map { ($0, 0) }
    if isSliced, ranks > 1 {
      held = counts.map { (dividesExperts ? 0 : $0, 0) }
      for rank in stride(from: 0, to: ranks, by: max(1, ranks / sliceLimit)) {
        held[rank].1 = try WeightBudget.measure(described(rank), checkpoint: checkpoint, workerCount: 1) {
          $1 == 0 && dividesExperts
        }.memoryBytes
      }
    }
    let fullest = held.indices.max { held[$0] < held[$1] } ?? 0
    return (
      Rank(fullest),
      try budget(
        described(fullest), checkpoint, workerCount: 1, placement: placement, spareExperts: spares[fullest],
        rank: Rank(fullest))
    )
  }
}

extension ExpertOptions {
  /// By rank: experts there is room for beside those that `placement` gives it; none where they are not to move.
  package func spareExperts(_ placement: ModelPlacement, layers: [Int]) -> [Int] {
    guard moves, placement.expertCount > 0 else { return Array(repeating: 0, count: placement.rankCount) }
    return room(placement, layers: layers).map { $0 + 1 }
  }

  /// By rank: experts that a placement with as many replicas as there may be can give it beside those of `placement`.
  package func replicaRoom(_ placement: ModelPlacement, layers: [Int]) -> [Int] {
    guard replicaShare > 0 else { return Array(repeating: 0, count: placement.rankCount) }
    return room(placement, layers: layers)
  }

  private func room(_ placement: ModelPlacement, layers: [Int]) -> [Int] {
    let planner = PlacementPlanner(
      expertCount: placement.expertCount, layerCount: layers.count, rankCount: placement.rankCount,
      replicaShare: replicaShare)
    return (0..<placement.rankCount).map {
      max(0, planner.capacity - placement.expertCount(of: Rank($0), layers: layers))
    }
  }
}
