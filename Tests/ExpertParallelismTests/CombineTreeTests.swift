import ExpertParallelism
import Fabric
import MoEModel
import TestSupport
import Testing

/// The order of additions: any part of the tree may be summed elsewhere first.
struct CombineTreeTests {
  /// Values whose sum depends on the order of additions.
  private func values(_ count: Int, using generator: inout SeededGenerator) -> [[Float]] {
    (0..<count).map { _ in
      (0..<3).map { _ in generator.float() * Float(1 << Int.random(in: 0...20, using: &generator)) }
    }
  }

  private func visit(_ ids: [Int32], _ values: [[Float]]) -> [Float] {
    var values = values
    CombineTree.visit(ids, count: ids.count) { target, source in
      for i in values[target].indices { values[target][i] += values[source][i] }
    }
    return values[0]
  }

  private func bits(_ values: [Float]?) -> [UInt32]? { values?.map(\.bitPattern) }

  @Test func additionsFollowTheDefinitionForAllSubsetsOfTwelveIDs() {
    var generator = SeededGenerator(1)
    let all = values(12, using: &generator)
    for mask in 1..<(1 << 12) {
      let ids = (0..<Int32(12)).filter { mask >> $0 & 1 == 1 }
      let chosen = ids.map { all[Int($0)] }
      let expected = CombineTree.reference(ids: ids, values: chosen, base: 0, level: 4)
      #expect(bits(visit(ids, chosen)) == bits(expected), "\(ids)")
    }
  }

  @Test func additionsFollowTheDefinitionForRandomIDsUpTo1024() {
    var generator = SeededGenerator(2)
    for _ in 0..<100 {
      let ids = generator.ids(Int.random(in: 1...40, using: &generator), below: 1024)
      let values = values(ids.count, using: &generator)
      let expected = CombineTree.reference(ids: ids, values: values, base: 0, level: 10)
      #expect(bits(visit(ids, values)) == bits(expected), "\(ids)")
    }
  }

  @Test func theOrderMattersForTheseValues() {
    var generator = SeededGenerator(1)
    let all = values(12, using: &generator)
    let inSequence = all.dropFirst().reduce(all[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(bits(visit(Array(0..<12), all)) != bits(inSequence))
  }

  @Test func idsAtTheEndsOfTheirRangeAreAddedToo() {
    var additions: [[Int]] = []
    CombineTree.visit([0, 1, Int32.max - 1, Int32.max], count: 4) { additions.append([$0, $1]) }
    #expect(additions == [[0, 1], [2, 3], [0, 2]])
    let powers = [0] + (0..<31).map { Int32(1) << $0 }
    var count = 0
    CombineTree.visit(powers, count: powers.count) { _, _ in count += 1 }
    #expect(count == 31)
    CombineTree.visit([5], count: 1) { _, _ in Issue.record("a sum of one") }
    CombineTree.visit([], count: 0) { _, _ in Issue.record("a sum of none") }
  }

  /// The sum in two stages, as owner and home share it.
  private func twoStageSum(_ ids: [Int32], _ values: [[Float]], _ placement: ExpertPlacement) -> [Float] {
    var nodes: [(ids: [Int32], values: [[Float]])] = []
    for (id, value) in zip(ids, values) {
      if let last = nodes.last?.ids.last, placement.sharesSubtree(last, id) {
        nodes[nodes.count - 1].ids.append(id)
        nodes[nodes.count - 1].values.append(value)
      } else {
        nodes.append(([id], [value]))
      }
    }
    return visit(nodes.map { $0.ids[$0.ids.count / 2] }, nodes.map { visit($0.ids, $0.values) })
  }

  @Test func partialSumsOfAllPlacementsOfFiveExpertsOnThreeRanksFinishToTheWholeSum() {
    var generator = SeededGenerator(3)
    let all = values(5, using: &generator)
    for code in 0..<243 {
      let owners = [1, 3, 9, 27, 81].map { Rank(code / $0 % 3) }
      let placement = ExpertPlacement(owners: owners, rankCount: 3)
      for mask in 1..<32 {
        let ids = (0..<Int32(5)).filter { mask >> $0 & 1 == 1 }
        let chosen = ids.map { all[Int($0)] }
        #expect(bits(twoStageSum(ids, chosen, placement)) == bits(visit(ids, chosen)), "\(ids) of \(owners)")
      }
    }
  }

  @Test func partialSumsOfLargePlacementsFinishToTheWholeSum() {
    var generator = SeededGenerator(4)
    for experts in [10, 18, 64, 256] {
      for ranks in [1, 2, 3, 5, 8, 300] {
        let owners = (0..<experts).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) }
        for placement in [
          ExpertPlacement(expertCount: experts, rankCount: ranks), ExpertPlacement(owners: owners, rankCount: ranks),
        ] {
          let ids = generator.ids(Int.random(in: 1...min(experts, 24), using: &generator), below: experts)
          let values = values(ids.count, using: &generator)
          #expect(
            bits(twoStageSum(ids, values, placement)) == bits(visit(ids, values)), "\(ids) of \(experts) on \(ranks)")
        }
      }
    }
  }
}
