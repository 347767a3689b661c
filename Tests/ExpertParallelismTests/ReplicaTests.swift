import Fabric
import MoEModel
import TestSupport
import Testing

@testable import ExpertParallelism

/// Placements that differ from layer to layer, with replicas: the bits of one rank, whoever computes a visit.
struct ReplicaTests {
  /// Random owners and replicas in each layer.
  private func placement(
    experts: Int, ranks: Int, replicas: Double, using generator: inout SeededGenerator
  ) -> ModelPlacement {
    var layers: [Int: ExpertPlacement] = [:]
    for layer in 0..<TinyMoE.layerCount {
      let owners = (0..<experts).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) }
      let others = owners.map { owner in
        (0..<ranks).map { Rank($0) }.filter { $0 != owner && Double.random(in: 0..<1, using: &generator) < replicas }
      }
      layers[layer] = ExpertPlacement(owners: owners, replicas: others, rankCount: ranks)
    }
    return ModelPlacement(ExpertPlacement(expertCount: experts, rankCount: ranks), layers: layers)
  }

  private func steps(
    experts: Int, topK: Int, ranks: Int, using generator: inout SeededGenerator
  ) -> [[RankTokens]] {
    let hot = generator.ids(topK, below: experts)
    var alone = [Int](repeating: 0, count: ranks)
    alone[ranks - 1] = 19
    func step(_ counts: [Int], _ chosen: [Int32]? = nil) -> [RankTokens] {
      counts.map { RankTokens($0, expertCount: experts, topK: topK, experts: chosen, using: &generator) }
    }
    return [
      step((0..<ranks).map { $0 % 4 }), step(alone), step([Int](repeating: 0, count: ranks)),
      step(alone.reversed(), hot),
      step([Int](repeating: 11, count: ranks)),
    ]
  }

  @Test(arguments: [1, 2, 3, 5, 8]) func randomPlacementsGiveTheBitsOfOneRank(ranks: Int) throws {
    var generator = SeededGenerator(UInt64(900 + ranks))
    for (experts, topK) in [(8, 2), (10, 3), (64, 6)] {
      let model = try TinyMoE(expertCount: experts, topK: topK, threads: 2)
      let scenario = ExpertScenario(
        model: model, threads: 2, steps: steps(experts: experts, topK: topK, ranks: ranks, using: &generator))
      let expected = try scenario.runLocally()
      for replicas in [0, 0.2, 1] {
        let placement = placement(experts: experts, ranks: ranks, replicas: replicas, using: &generator)
        for implementation in [ExpertScenario.Implementation.distributed, .shared, .reference] {
          let found = try scenario.run(implementation, placement: placement, eagerByteLimit: 512)
          #expect(found == expected, "\(implementation), \(topK) of \(experts) experts, replicas \(replicas)")
        }
      }
    }
  }

  @Test(arguments: [(4, 2), (5, 3), (8, 4), (6, 2)])
  func relayedTokensGiveTheBitsOfOneRank(ranks: Int, ranksPerHost: Int) throws {
    var generator = SeededGenerator(UInt64(70 + ranks))
    for (experts, topK) in [(8, 2), (10, 3), (64, 6)] {
      let model = try TinyMoE(expertCount: experts, topK: topK, threads: 1)
      let scenario = ExpertScenario(
        model: model, threads: 1, steps: steps(experts: experts, topK: topK, ranks: ranks, using: &generator))
      let expected = try scenario.runLocally()
      for replicas in [0.2, 0.6] {
        let placement = placement(experts: experts, ranks: ranks, replicas: replicas, using: &generator)
        for room in [4, 64] {
          let found = try scenario.run(
            .relayed(ranksPerHost: ranksPerHost, room: room), placement: placement, eagerByteLimit: 0)
          #expect(found == expected, "\(topK) of \(experts) experts, replicas \(replicas), room for \(room)")
        }
      }
    }
  }

  /// A placement of its own in each step, as between two steps of a server.
  @Test(arguments: [2, 3, 5]) func placementsMayChangeBetweenSteps(ranks: Int) throws {
    var generator = SeededGenerator(UInt64(40 + ranks))
    let model = try TinyMoE(expertCount: 10, topK: 3, threads: 1)
    let tokens = (0..<ranks).map { _ in RankTokens(6, expertCount: 10, topK: 3, using: &generator) }
    let placements = (0..<4).map { _ in placement(experts: 10, ranks: ranks, replicas: 0.3, using: &generator) }
    let outputs = try placements.map { placement in
      try ExpertScenario(model: model, threads: 1, steps: [tokens]).run(
        .distributed, placement: placement, eagerByteLimit: 0)
    }
    #expect(outputs.dropFirst().allSatisfy { $0 == outputs[0] })
  }

  @Test func visitsGoToHoldersOnlyAndEvenOut() {
    var generator = SeededGenerator(4)
    for ranks in [1, 2, 3, 8] {
      let placement = placement(experts: 24, ranks: ranks, replicas: 0.3, using: &generator)[0]
      let sharing = VisitSharing(rankCount: ranks)
      for sender in 0..<ranks {
        let experts = (0..<60).flatMap { _ in generator.ids(4, below: 24) }
        var (owners, again) = (
          [Int32](repeating: -1, count: experts.count), [Int32](repeating: -1, count: experts.count)
        )
        sharing.assign(experts, count: experts.count, from: sender, placement, into: &owners)
        sharing.assign(experts, count: experts.count, from: sender, placement, into: &again)
        #expect(owners == again, "the same for the same tokens")
        #expect(zip(experts, owners).allSatisfy { placement.holds(Int($0), Rank(Int($1))) })
      }
    }
    // All hold everything: as even as can be, but for a visit more where nothing travels.
    let all = ExpertPlacement(
      owners: Array(repeating: Rank(0), count: 8),
      replicas: Array(repeating: (1..<5).map { Rank($0) }, count: 8), rankCount: 5)
    var owners = [Int32](repeating: 0, count: 83)
    let hot = [Int32](repeating: 3, count: 83)
    VisitSharing(rankCount: 5).assign(hot, count: 83, from: 2, all, into: &owners)
    let counts = (0..<5).map { rank in owners.count { $0 == rank } }
    #expect(counts.max()! - counts.min()! <= 2 && owners[0] == 2, "\(counts)")
  }

  /// Straight from the definition: an aligned range is added up where all that is visited in it is in one place.
  @Test func subtreesAreTheGreatestOfOnePlace() {
    var generator = SeededGenerator(6)
    for _ in 0..<500 {
      let limit = [4, 10, 64].randomElement(using: &generator)!
      let ids = generator.ids(Int.random(in: 1...min(8, limit), using: &generator), below: limit)
      let places = ids.map { _ in Int32.random(in: 0..<3, using: &generator) }
      var marks = [UInt8](repeating: 9, count: ids.count)
      PartialSubtrees.mark(ids, places: places, count: ids.count, into: &marks)
      // By visit: the greatest aligned range around it in which all visits are in its place.
      let ranges = ids.indices.map { visit in
        (0...7).last { level in
          ids.indices.filter { ids[$0] >> level == ids[visit] >> level }.allSatisfy { places[$0] == places[visit] }
        }.map { [$0, Int(ids[visit] >> $0)] }
      }
      let expected = ids.indices.map { $0 > 0 && ranges[$0] == ranges[$0 - 1] ? UInt8(0) : 1 }
      #expect(marks == expected, "\(ids) in \(places)")
    }
  }
}
