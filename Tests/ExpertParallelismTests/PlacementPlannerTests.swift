import ExpertParallelism
import Fabric
import TestSupport
import Testing

/// Plans against the best there is, found by trying all.
struct PlacementPlannerTests {
  /// The least that the busiest rank can have over the mean, of placements with as many experts on each rank as the
  /// plain one.
  private func optimum(_ visits: [Double], ranks: Int) -> Double {
    let plain = ExpertPlacement(expertCount: visits.count, rankCount: ranks)
    var room = (0..<ranks).map { plain.expertCount(of: Rank($0)) }
    var (loads, best) = ([Double](repeating: 0, count: ranks), Double.infinity)
    func place(_ expert: Int) {
      guard expert < visits.count else { return best = min(best, loads.max()!) }
      for rank in 0..<ranks where room[rank] > 0 {
        room[rank] -= 1
        loads[rank] += visits[expert]
        place(expert + 1)
        loads[rank] -= visits[expert]
        room[rank] += 1
      }
    }
    place(0)
    return best * Double(ranks) / visits.reduce(0, +)
  }

  private func planner(_ experts: Int, layers: Int, ranks: Int, replicas: Double) -> PlacementPlanner {
    PlacementPlanner(expertCount: experts, layerCount: layers, rankCount: ranks, replicaShare: replicas)
  }

  @Test func plansWithoutReplicasComeCloseToTheBestThereIs() {
    var generator = SeededGenerator(31)
    var ratios: [Double] = []
    for _ in 0..<100 {
      let ranks = [2, 3].randomElement(using: &generator)!
      let experts = [6, 8, 9].randomElement(using: &generator)!
      let visits = (0..<experts).map { _ in Double(1 << Int.random(in: 0...8, using: &generator)) }
      let loads = ExpertLoads(layers: [1], visits: [visits])
      let plain = ModelPlacement(expertCount: experts, rankCount: ranks)
      let planned = planner(experts, layers: 1, ranks: ranks, replicas: 0).plan(loads, from: plain)
      #expect(planned.replicaCount == 0)
      for rank in (0..<ranks).map({ Rank($0) }) {
        #expect(planned[1].expertCount(of: rank) == plain[1].expertCount(of: rank), "as many on each rank as before")
      }
      // One in a hundred more than the mean is even enough.
      let found = max(1.01, PlacementPlanner.factors(loads, planned)[0].visits)
      ratios.append(found / max(1.01, optimum(visits, ranks: ranks)))
    }
    #expect(ratios.max()! < 1.15, "exchanges of two experts can end in a place that only exchanges of more would leave")
    #expect(ratios.reduce(0, +) / Double(ratios.count) < 1.03)
  }

  @Test(arguments: [0.0, 0.1, 0.5, 3])
  func replicasKeepToTheMemoryAndGoToDifferentRanks(share: Double) {
    var generator = SeededGenerator(8)
    for (experts, ranks, layerCount) in [(16, 4, 3), (10, 3, 2), (64, 8, 2), (4, 8, 1), (7, 7, 2)] {
      let layers = (0..<layerCount).map { 2 * $0 + 1 }
      let visits = layers.map { _ in
        (0..<experts).map { _ in Double(1 << Int.random(in: 0...9, using: &generator)) }
      }
      let loads = ExpertLoads(layers: layers, visits: visits, steps: 3)
      let plain = ModelPlacement(expertCount: experts, rankCount: ranks)
      let planner = planner(experts, layers: layerCount, ranks: ranks, replicas: share)
      let planned = planner.plan(loads, from: plain)
      for rank in 0..<ranks {
        #expect(planned.expertCount(of: Rank(rank), layers: layers) <= planner.capacity)
      }
      let limit = Double(experts * layerCount) * (1 + share)
      #expect(
        Double(planner.capacity * ranks) <= max(limit, Double(layerCount * ((experts + ranks - 1) / ranks) * ranks)))
      for layer in layers {
        for expert in 0..<experts {
          let holders = planned[layer].ranks(holding: expert)
          #expect(Set(holders).count == holders.count && !holders.isEmpty)
        }
      }
      for (before, after) in zip(PlacementPlanner.factors(loads, plain), PlacementPlanner.factors(loads, planned)) {
        #expect(max(after.visits, after.experts) <= max(before.visits, before.experts) + 1e-9)
      }
      #expect(planned[0] == plain[0], "layers without visits stay as they are")
      #expect(planner.plan(loads, from: plain) == planned, "the same for the same visits")
    }
  }

  @Test func evenVisitsLeaveEverythingWhereItIs() {
    let loads = ExpertLoads(
      layers: [0, 1], visits: Array(repeating: Array(repeating: 5, count: 32), count: 2), steps: 9)
    let plain = ModelPlacement(expertCount: 32, rankCount: 4)
    #expect(planner(32, layers: 2, ranks: 4, replicas: 0.5).plan(loads, from: plain) == plain)
    let nothing = ExpertLoads(layers: [0, 1], visits: Array(repeating: Array(repeating: 0, count: 32), count: 2))
    #expect(planner(32, layers: 2, ranks: 4, replicas: 0.5).plan(nothing, from: plain).replicaCount == 0)
    #expect(
      planner(32, layers: 2, ranks: 1, replicas: 1).plan(loads, from: ModelPlacement(expertCount: 32, rankCount: 1))
        .replicaCount == 0)
    // Visits of another model plan nothing.
    #expect(
      planner(8, layers: 2, ranks: 4, replicas: 0).plan(loads, from: ModelPlacement(expertCount: 8, rankCount: 4))
        == ModelPlacement(expertCount: 8, rankCount: 4))
  }

  @Test func whatIsCountedSinceIsTheDifference() throws {
    let before = ExpertLoads(layers: [1], visits: [[1, 2]], steps: 3)
    let after = ExpertLoads(layers: [1], visits: [[4, 2]], steps: 5)
    #expect(after.since(before) == ExpertLoads(layers: [1], visits: [[3, 0]], steps: 2))
    #expect(before.since(after) == nil, "counts were begun anew")
    #expect(after.since(ExpertLoads(layers: [2], visits: [[0, 0]])) == nil)
  }

  /// Every placement on the way can be run with, fits into the memory, and leads to the end.
  @Test func transitionsKeepToTheMemoryAndArrive() {
    var generator = SeededGenerator(7)
    for _ in 0..<200 {
      let (experts, ranks) = (Int.random(in: 1...12, using: &generator), Int.random(in: 1...6, using: &generator))
      let layers = Array(1...Int.random(in: 1...3, using: &generator))
      let capacity = (experts * layers.count + ranks - 1) / ranks + [0, 0, 1, 3].randomElement(using: &generator)!
      func random() -> ModelPlacement {
        var held = [Int](repeating: 0, count: ranks)
        var placements: [Int: ExpertPlacement] = [:]
        let owners = layers.map { _ in
          (0..<experts).map { _ -> Rank in
            let open = (0..<ranks).filter { held[$0] < capacity }
            let rank = open.randomElement(using: &generator)!
            held[rank] += 1
            return Rank(rank)
          }
        }
        for (layer, owners) in zip(layers, owners) {
          let replicas = owners.map { owner in
            (0..<ranks).filter { rank in
              guard rank != owner.index, held[rank] < capacity, Int.random(in: 0..<5, using: &generator) == 0 else {
                return false
              }
              held[rank] += 1
              return true
            }.map { Rank($0) }
          }
          placements[layer] = ExpertPlacement(owners: owners, replicas: replicas, rankCount: ranks)
        }
        return ModelPlacement(ExpertPlacement(expertCount: experts, rankCount: ranks), layers: placements)
      }
      let (start, end) = (random(), random())
      func free(_ placement: ModelPlacement) -> [Int] {
        (0..<ranks).map { capacity + 1 - placement.expertCount(of: Rank($0), layers: layers) }
      }
      var transition = PlacementTransition(
        from: start, to: end, layers: layers, free: free(start), limit: [1, 2, 100].randomElement(using: &generator)!)
      var rounds = 0
      while rounds < 1000 {
        let round = transition.nextRound()
        guard !round.isEmpty else { break }
        rounds += 1
        let (before, room) = (transition.current, free(transition.current))
        var incoming = [Int](repeating: 0, count: ranks)
        for move in round {
          #expect(!move.holders.isEmpty)
          for rank in move.holders where !before.holds(layer: move.layer, expert: move.expert, rank) {
            incoming[rank.index] += 1
          }
        }
        #expect(zip(incoming, room).allSatisfy { $0 <= $1 }, "into memory that is free before")
        transition.finish(round)
        #expect(free(transition.current).allSatisfy { $0 >= 1 }, "room for one stays")
      }
      #expect(transition.isDone && layers.allSatisfy { transition.current[$0] == end[$0] })
    }
  }
}
