import ExpertParallelism
import Fabric
import TestSupport
import Testing

struct ExpertPlacementTests {
  static let sizes = [(10, 3), (2, 4), (1, 1), (256, 8), (64, 3), (1, 5), (7, 7), (160, 6), (8192, 64)]

  @Test(arguments: sizes)
  func placementIsEvenAndComplete(experts: Int, ranks: Int) {
    let placement = ExpertPlacement(expertCount: experts, rankCount: ranks)
    #expect(placement.expertCount == experts && placement.rankCount == ranks)
    let byRank = (0..<ranks).map { placement.experts(of: Rank($0)) }
    #expect(byRank.flatMap { $0 }.sorted() == Array(0..<experts), "each expert once")
    let counts = byRank.map(\.count)
    #expect(counts.max()! - counts.min()! <= 1)
    #expect((0..<experts).allSatisfy { byRank[placement.owner(of: Int32($0)).index].contains($0) })
    let runs = (0..<ranks).flatMap { rank in
      Array(repeating: Rank(rank), count: experts * (rank + 1) / ranks - experts * rank / ranks)
    }
    #expect(placement.subtreeCount <= ExpertPlacement(owners: runs, rankCount: ranks).subtreeCount)
    if ranks & (ranks - 1) == 0 {
      #expect(placement.owners == runs, "runs of consecutive ids where they are subtrees anyway")
    }
  }

  /// 32 experts on three ranks: 10, 11 and 11 are 8 + 2, 8 + 2 + 1 and 8 + 2 + 1.
  @Test func ranksOwnAlignedRangesAsLargeAsTheirNumbersAllow() {
    let placement = ExpertPlacement(expertCount: 32, rankCount: 3)
    #expect(placement.experts(of: Rank(0)) == Array(0..<8) + [24, 25])
    #expect(placement.experts(of: Rank(1)) == Array(8..<16) + [26, 27, 30])
    #expect(placement.experts(of: Rank(2)) == Array(16..<24) + [28, 29, 31])
    #expect(placement.subtreeCount == 8)
  }

  /// Whether all experts of the aligned range of 2^level ids around `expert` have one owner.
  private func isWhole(_ owners: [Rank], _ expert: Int, _ level: Int) -> Bool {
    owners.indices.filter { $0 >> level == expert >> level }.allSatisfy { owners[$0] == owners[expert] }
  }

  private func check(_ placement: ExpertPlacement) {
    let owners = placement.owners
    var height = 0
    while 1 << height < owners.count { height += 1 }
    for a in owners.indices {
      let level = (0...height).last { isWhole(owners, a, $0) }
      #expect(placement.levels[a] == level, "expert \(a) of \(owners)")
      for b in owners.indices {
        let shares = (0...height).contains { a >> $0 == b >> $0 && isWhole(owners, a, $0) }
        #expect(placement.sharesSubtree(Int32(a), Int32(b)) == shares, "experts \(a) and \(b) of \(owners)")
      }
    }
  }

  @Test(arguments: [(10, 3), (2, 4), (1, 1), (7, 7), (24, 5), (32, 2), (17, 1)])
  func levelsSpanTheLargestAlignedRangesOfOneOwner(experts: Int, ranks: Int) {
    check(ExpertPlacement(expertCount: experts, rankCount: ranks))
    check(ExpertPlacement(owners: (0..<experts).map { Rank($0 % ranks) }, rankCount: ranks))
    var generator = SeededGenerator(UInt64(experts))
    check(
      ExpertPlacement(
        owners: (0..<experts).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) }, rankCount: ranks))
  }
}
