import Fabric
import MoEModel
import Tensors

/// Which rank owns each expert of each mixture layer: runs of consecutive ids, as equal as can be, so that most of a
/// rank's experts form whole subtrees of `CombineTree`.
///
/// Any counts do: with more ranks than experts, some ranks own none.
package struct ExpertPlacement: Sendable {
  package let expertCount: Int
  package let rankCount: Int
  /// Owner by expert id.
  package let owners: [Rank]
  private let counts: [Int]
  /// By expert id: the height of the largest aligned range of ids around it whose experts all have the same owner.
  package let levels: [Int]
  /// By expert id, for loops over visits: the owner's index, and the first id of the range that `levels` describes.
  private let ownerTable: AlignedBuffer<Int32>
  private let nodeTable: AlignedBuffer<Int32>

  /// Contiguous placement: rank r owns experts `⌊r·E/R⌋ ..< ⌊(r+1)·E/R⌋`.
  package init(expertCount: Int, rankCount: Int) {
    var owners: [Rank] = []
    owners.reserveCapacity(expertCount)
    for rank in 0..<rankCount {
      for _ in (expertCount * rank / rankCount)..<(expertCount * (rank + 1) / rankCount) { owners.append(Rank(rank)) }
    }
    self.init(owners: owners, rankCount: rankCount)
  }

  /// Any placement; `owners[e]` must be below `rankCount`.
  package init(owners: [Rank], rankCount: Int) {
    self.owners = owners
    counts = owners.reduce(into: Array(repeating: 0, count: rankCount)) { $0[$1.index] += 1 }
    expertCount = owners.count
    self.rankCount = rankCount
    let levels = owners.indices.map { expert in
      var level = 0
      while 1 << level < owners.count {
        let width = 1 << (level + 1)
        let start = expert / width * width
        guard (start..<min(start + width, owners.count)).allSatisfy({ owners[$0] == owners[expert] }) else { break }
        level += 1
      }
      return level
    }
    self.levels = levels
    ownerTable = AlignedBuffer(owners.map { Int32($0.index) })
    nodeTable = AlignedBuffer(owners.indices.map { Int32(($0 >> levels[$0]) << levels[$0]) })
  }

  /// By expert id; valid as long as the placement.
  var ownerIndices: UnsafePointer<Int32> { UnsafePointer(ownerTable.pointer) }
  /// By expert id: equal for experts whose outputs are added before they leave their owner.
  var nodes: UnsafePointer<Int32> { UnsafePointer(nodeTable.pointer) }

  package func owner(of expert: Int32) -> Rank { owners[Int(expert)] }

  package func expertCount(of rank: Rank) -> Int { counts[rank.index] }

  package func experts(of rank: Rank) -> [Int] { owners.indices.filter { owners[$0] == rank } }

  /// Whether two experts' outputs are added before they leave their owner.
  package func sharesNode(_ a: Int32, _ b: Int32) -> Bool {
    nodes[Int(a)] == nodes[Int(b)]
  }

  /// The most partial sums into which one rank's experts fall.
  var nodeLimit: Int {
    var counts = Array(repeating: 0, count: rankCount)
    for expert in owners.indices where expert % (1 << levels[expert]) == 0 { counts[owners[expert].index] += 1 }
    return counts.max() ?? 0
  }
}
