import Fabric
import Tensors

/// Which ranks hold each expert of one MoE layer: one owner, and where there is memory to spare, replicas on other
/// ranks.
///
/// The plain placement has numbers as equal as can be, and as few subtrees of `CombineTree` as can be, since each that
/// a token visits is a row that comes back. Any counts do: with more ranks than experts, some ranks own none.
package final class ExpertPlacement: Sendable {
  package let expertCount: Int
  package let rankCount: Int
  /// Owner by expert id.
  package let owners: [Rank]
  /// By expert id: other ranks that hold it, ascending.
  package let replicas: [[Rank]]
  package let hasReplicas: Bool
  private let counts: [Int]
  /// By expert id: the height of the largest aligned range of ids around it whose experts all have the same owner and
  /// no replicas.
  package let levels: [Int]
  /// By expert id, for loops over visits: the owner's index, and where its holders begin in `holderTable`, owner first.
  private let ownerTable: AlignedBuffer<Int32>
  private let holderStarts: AlignedBuffer<Int32>
  private let holderTable: AlignedBuffer<Int32>

  /// Of E = `expertCount` experts rank r of R = `rankCount` owns ⌊(r+1)·E/R⌋ − ⌊r·E/R⌋: runs of consecutive ids, in
  /// order of rank, or, where that makes fewer subtrees, a range for each power of two in that number, dealt out from
  /// the largest to the smallest, so that all are aligned.
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
    return aligned.subtreeCount < simple.subtreeCount ? ranges : runs
  }

  /// Any placement; `owners[e]` must be below `rankCount`, and so must `replicas[e]`, which are other ranks and none
  /// twice.
  package init(owners: [Rank], replicas: [[Rank]]? = nil, rankCount: Int) {
    self.owners = owners
    let replicas = replicas?.map { $0.sorted() } ?? Array(repeating: [], count: owners.count)
    precondition(replicas.count == owners.count, "replicas of another number of experts")
    self.replicas = replicas
    hasReplicas = replicas.contains { !$0.isEmpty }
    var counts = Array(repeating: 0, count: rankCount)
    var (starts, holders): ([Int32], [Int32]) = ([0], [])
    for (owner, others) in zip(owners, replicas) {
      for rank in [owner] + others {
        counts[rank.index] += 1
        holders.append(Int32(rank.index))
      }
      starts.append(Int32(holders.count))
    }
    self.counts = counts
    expertCount = owners.count
    self.rankCount = rankCount
    levels = Self.levels(owners, replicas)
    ownerTable = AlignedBuffer(owners.map { Int32($0.index) } + [0])
    (holderStarts, holderTable) = (AlignedBuffer(starts), AlignedBuffer(holders + [0]))
  }

  /// Level by level: a range is whole where both halves are, and have one owner; the last may lack its second half.
  private static func levels(_ owners: [Rank], _ replicas: [[Rank]]) -> [Int] {
    var levels = Array(repeating: 0, count: owners.count)
    var blocks = zip(owners, replicas).map { owner, others in others.isEmpty ? owner : nil }
    var level = 0
    while blocks.count > 1 {
      level += 1
      blocks = stride(from: 0, to: blocks.count, by: 2).map { first in
        first + 1 == blocks.count || blocks[first] == blocks[first + 1] ? blocks[first] : nil
      }
      for (block, owner) in blocks.enumerated() where owner != nil {
        for expert in (block << level)..<min((block + 1) << level, owners.count) { levels[expert] = level }
      }
    }
    return levels
  }

  /// By expert id; valid as long as the placement.
  var ownerIndices: UnsafePointer<Int32> { UnsafePointer(ownerTable.pointer) }

  /// The rank that an expert, by its number in the layer, is put on.
  package func owner(of expert: Int32) -> Rank { owners[Int(expert)] }

  /// All ranks that hold an expert, owner first; valid as long as the placement.
  func holders(of expert: Int32) -> UnsafeBufferPointer<Int32> {
    let (first, end) = (Int(holderStarts.pointer[Int(expert)]), Int(holderStarts.pointer[Int(expert) + 1]))
    return UnsafeBufferPointer(start: holderTable.pointer + first, count: end - first)
  }

  /// Whether a rank holds an expert, which must be one of the layer's.
  package func holds(_ expert: Int, _ rank: Rank) -> Bool {
    guard hasReplicas else { return Int(ownerTable.pointer[expert]) == rank.index }
    for holder in holders(of: Int32(expert)) where Int(holder) == rank.index { return true }
    return false
  }

  /// Experts that a rank holds, replicas among them.
  package func expertCount(of rank: Rank) -> Int { counts[rank.index] }

  package func experts(of rank: Rank) -> [Int] { owners.indices.filter { holds($0, rank) } }

  /// Whether two experts' outputs are added before they leave their owner, whatever else a token visits.
  package func sharesSubtree(_ a: Int32, _ b: Int32) -> Bool { subtree(Int(a)) == subtree(Int(b)) }

  private func subtree(_ expert: Int) -> Int { (expert >> levels[expert]) << levels[expert] }

  /// Ranges of experts that are added up before they leave their owner, whatever else a token visits.
  package var subtreeCount: Int { owners.indices.count { subtree($0) == $0 } }

  /// The most subtrees into which one rank's experts fall, each of which is a partial output.
  var subtreeLimit: Int {
    var counts = Array(repeating: 0, count: rankCount)
    for expert in owners.indices where subtree(expert) == expert {
      for rank in holders(of: Int32(expert)) { counts[Int(rank)] += 1 }
    }
    return counts.max() ?? 0
  }

  /// This in every layer.
  package var everywhere: ModelPlacement { ModelPlacement(self) }
}

extension ExpertPlacement: Equatable {
  package static func == (a: ExpertPlacement, b: ExpertPlacement) -> Bool {
    a === b || (a.rankCount == b.rankCount && a.owners == b.owners && a.replicas == b.replicas)
  }
}
