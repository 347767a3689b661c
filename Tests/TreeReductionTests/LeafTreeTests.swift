import Fabric
import Testing
import TreeReduction

/// The order of additions: any rank may add up what is wholly its own.
@Suite struct LeafTreeTests {
  /// The sum of all leaves in words, parts first: `((0+1)+2)`.
  private func words(_ tree: LeafTree) -> String {
    var texts = tree.parts.map { part in Self.sum(part.leaves.map { "\($0)" }, part.leaves) }
    for addition in tree.additions { texts[addition.target] = "(\(texts[addition.target])+\(texts[addition.source]))" }
    return texts.first ?? ""
  }

  /// From the definition.
  private static func sum(_ texts: [String], _ range: Range<Int>) -> String {
    func sum(_ base: Int, _ width: Int) -> String? {
      if width == 1 { return range.contains(base) ? texts[base - range.lowerBound] : nil }
      let (left, right) = (sum(base, width / 2), sum(base + width / 2, width / 2))
      guard let left, let right else { return left ?? right }
      return "(\(left)+\(right))"
    }
    return sum(0, 64) ?? ""
  }

  @Test func everyDivisionOfUpToSevenLeavesAmongThreeRanksHasTheOrderOfTheDefinition() {
    for count in 0...7 {
      var combinations = 1
      for _ in 0..<count { combinations *= 3 }
      let expected = Self.sum((0..<count).map { "\($0)" }, 0..<count)
      for code in 0..<combinations {
        var rest = code
        let owners = (0..<count).map { _ in
          defer { rest /= 3 }
          return Rank(rest % 3)
        }
        #expect(words(LeafTree(owners: owners)) == expected, "\(owners)")
      }
    }
  }

  @Test func partsAreTheGreatestSubtreesOfOneRank() {
    #expect(LeafTree(counts: [8]).parts.map(\.leaves) == [0..<8])
    // What lies beyond the last leaf is empty, and no rank's.
    #expect(LeafTree(counts: [5]).parts.map(\.leaves) == [0..<5])
    #expect(LeafTree(counts: [3, 5]).parts.map(\.leaves) == [0..<2, 2..<3, 3..<4, 4..<8])
    #expect(LeafTree(counts: [3, 0, 5]).parts.map(\.owner.index) == [0, 0, 2, 2])
    #expect(LeafTree(counts: [1, 1, 1]).parts.map(\.leaves) == [0..<1, 1..<2, 2..<3])
    #expect(LeafTree(owners: []).parts.isEmpty && LeafTree(counts: [0, 0, -1]).additions.isEmpty)
    let long = LeafTree(counts: [1000, 1000, 1000])
    #expect(long.parts.count < 40)
    #expect(long.parts.map(\.leaves.count).reduce(0, +) == 3000)
  }
}
