import Fabric
import MoEModel
import Tensors

/// Which rank owns each expert of each mixture layer: numbers as equal as can be, and as few subtrees of `CombineTree` as can be, since
/// each that a token visits is a row that comes back.
///
/// Any counts do: with more ranks than experts, some ranks own none.
package final class ExpertPlacement: Sendable {
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

  /// Rank r owns ⌊(r+1)·E/R⌋ − ⌊r·E/R⌋ experts: runs of consecutive ids, in order of rank, or, where that makes fewer subtrees, a range for
  /// each power of two in that number, dealt out from the largest to the smallest, so that all are aligned.
  package convenience init(expertCount: Int, rankCount: Int) {
    self.init(owners: Self.owners(expertCount: expertCount, rankCount: rankCount), rankCount: rankCount)
  }

  private static func owners(expertCount: Int, rankCount: Int) -> [Rank] {
    let counts = (0..<rankCount).map { expertCount * ($0 + 1) / rankCount - expertCount * $0 / rankCount }
    var runs: [Rank] = []
    var ranges: [Rank] = []
    for (rank, count) in counts.enumerated() { runs += repeatElement(Rank(rank), count: count) }
    for bit in (0..<Int.bitWidth - 1).reversed() where expertCount >> bit > 0 {
      for (rank, count) in counts.enumerated() where count & 1 << bit != 0 {
        ranges += repeatElement(Rank(rank), count: 1 << bit)
      }
    }
    let simple = ExpertPlacement(owners: runs, rankCount: rankCount)
    let aligned = ExpertPlacement(owners: ranges, rankCount: rankCount)
    return aligned.nodeCount < simple.nodeCount ? ranges : runs
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

  /// Ranges of experts that are added up before they leave their owner.
  package var nodeCount: Int { owners.indices.count { Int(nodes[$0]) == $0 } }

  /// The most partial sums into which one rank's experts fall.
  var nodeLimit: Int {
    var counts = Array(repeating: 0, count: rankCount)
    for expert in owners.indices where expert % (1 << levels[expert]) == 0 { counts[owners[expert].index] += 1 }
    return counts.max() ?? 0
  }
}
