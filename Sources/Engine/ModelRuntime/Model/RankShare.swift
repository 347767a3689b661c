import Checkpoints
import ExpertParallelism
import Fabric
import MoEModel

/// Ranks in a row that hold alike parts of a model, and what each of them holds.
package struct RankShare: Sendable {
  package private(set) var ranks: ClosedRange<Int>
  /// Of all layers together.
  package let experts: Int
  /// Of each layer, where that is the same in all.
  package let expertsPerLayer: Int?
  /// Whether it is a slice of each expert.
  package let isSlice: Bool
  package let memoryBytes: Int
  package let storedBytes: Int
  /// Of the memory, what ranks on one NUMA node have in common.
  package let sharedBytes: Int

  init(_ rank: Int, experts: Int, expertsPerLayer: Int?, isSlice: Bool = false, _ budget: WeightBudget) {
    ranks = rank...rank
    (self.experts, self.expertsPerLayer, self.isSlice) = (experts, expertsPerLayer, isSlice)
    (memoryBytes, storedBytes, sharedBytes) = (budget.memoryBytes, budget.storedBytes, budget.sharedBytes)
  }

  /// Those of ranks that share out experts, as many to each where no placement says otherwise. Walks headers once for
  /// ranks with as many experts of each layer.
  package static func spread(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, ranks: Int, placement given: ModelPlacement?
  ) throws -> [RankShare] {
    let plain = ModelPlacement(expertCount: description.moe?.expertCount ?? 0, rankCount: ranks)
    let (placement, layers) = (given ?? plain, description.moeLayers)
    // By how many experts of each layer: layers may differ in their formats.
    var budgets: [[Int]: WeightBudget] = [:]
    var shares: [RankShare] = []
    for rank in 0..<ranks {
      let counts = layers.map { placement.expertCount(of: Rank(rank), layers: [$0]) }
      let count = counts.reduce(0, +)
      let budget =
        try budgets[counts]
        ?? RankMemory.budget(description, checkpoint, workerCount: 1, placement: placement, rank: Rank(rank))
      budgets[counts] = budget
      let perLayer = given == nil ? count / max(1, layers.count) : nil
      shares.join(RankShare(rank, experts: count, expertsPerLayer: perLayer, budget))
    }
    return shares
  }

  /// Those of ranks that share out every matrix, and routed experts too where no placement says who has which. Walks
  /// headers for each rank. Throws for a model that cannot be sliced.
  package static func sliced(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, ranks: Int, placement: ModelPlacement?
  ) throws -> [RankShare] {
    if let obstacle = description.slicingObstacle { throw RuntimeError.notSliceable(obstacle) }
    let (layers, expertCount) = (description.moeLayers, description.moe?.expertCount ?? 0)
    let plain = ModelPlacement(expertCount: expertCount, rankCount: ranks)
    var shares: [RankShare] = []
    for rank in 0..<ranks {
      let slice = ModelSlice(rank: rank, of: ranks, dividesExperts: placement == nil)
      let budget = try RankMemory.budget(
        description.sliced(slice), checkpoint, workerCount: 1, placement: placement ?? plain, rank: Rank(rank))
      shares.join(
        RankShare(
          rank, experts: placement?.expertCount(of: Rank(rank), layers: layers) ?? expertCount * layers.count,
          expertsPerLayer: placement == nil ? expertCount : nil, isSlice: placement == nil, budget))
    }
    return shares
  }

  /// Takes in the next rank; false where it holds something else.
  fileprivate mutating func takes(_ next: RankShare) -> Bool {
    guard experts == next.experts, memoryBytes == next.memoryBytes, storedBytes == next.storedBytes,
      sharedBytes == next.sharedBytes
    else { return false }
    ranks = ranks.lowerBound...next.ranks.upperBound
    return true
  }
}

extension [RankShare] {
  /// Adds the next rank to the last of these where it holds as much.
  mutating func join(_ next: RankShare) {
    guard !isEmpty, self[count - 1].takes(next) else { return append(next) }
  }
}
