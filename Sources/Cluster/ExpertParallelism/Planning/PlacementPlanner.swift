import Fabric

/// Plans which rank holds which experts from how often they were visited.
///
/// A step waits for the rank with most to do: in each layer the planner lowers what the busiest rank has over the mean,
/// of visits (arithmetic) and of distinct experts (weights to be read). It begins with the placement there is and
/// exchanges experts only while that helps, since experts scattered over ranks make more subtrees of `CombineTree`, and
/// so more rows that come back; and since whatever stays where it is need not be moved.
package struct PlacementPlanner: Sendable {
  /// Experts of all layers together that each rank may hold.
  package let capacity: Int
  /// Whether what a rank has room for beside the experts it owns is for replicas.
  package let replicates: Bool

  /// Of `layerCount` layers of `expertCount` experts on `rankCount` ranks, each with room for `replicaShare` more than
  /// the mean rank's experts: 0.1 for a tenth. Never less than the fullest rank of the plain placement.
  package init(expertCount: Int, layerCount: Int, rankCount: Int, replicaShare: Double) {
    let ranks = max(rankCount, 1)
    let plain = layerCount * ((expertCount + ranks - 1) / ranks)
    let share = Double(layerCount * expertCount) * (1 + max(0, replicaShare)) / Double(ranks)
    capacity = max(plain, Int(share.rounded(.down)))
    replicates = replicaShare > 0
  }

  /// Experts with less than this times the mean expert's visits get no further replica: each that is used is read by
  /// one rank more.
  private static let replicaThreshold = 1.25
  /// What a rank may cost more than the cheapest and still get a replica, where it holds it already: nothing is to be
  /// moved.
  private static let staying = 1.02

  /// A placement of the same ranks, of the layers that `loads` tells of; others stay as they are.
  package func plan(_ loads: ExpertLoads, from base: ModelPlacement) -> ModelPlacement {
    guard base.rankCount > 1, loads.expertCount == base.expertCount, base.expertCount > 0 else { return base }
    let rankCount = base.rankCount
    var balances = loads.layers.indices.map { index in
      LayerBalance(
        owners: base[loads.layers[index]].owners.map(\.index), rankCount: rankCount, visits: loads.visits[index],
        steps: loads.steps)
    }
    var room = (0..<rankCount).map { rank in
      replicates ? max(0, capacity - base.expertCountOwned(by: Rank(rank), layers: loads.layers)) : 0
    }
    var alone = balances
    addReplicas(to: &balances, loads, base, &room)
    for index in balances.indices {
      alone[index].level()
      balances[index].level()
      // A replica is one more expert to be read.
      if alone[index].factor <= balances[index].factor { balances[index] = alone[index] }
    }
    return loads.layers.indices.reduce(base) { $0.replacing(layer: loads.layers[$1], with: balances[$1].placement) }
  }

  /// Gives replicas to whichever expert's holders have the greatest share of their layer's visits, one after another.
  private func addReplicas(
    to balances: inout [LayerBalance], _ loads: ExpertLoads, _ base: ModelPlacement, _ room: inout [Int]
  ) {
    let totals = loads.visits.map { $0.reduce(0, +) }
    let mean = Self.replicaThreshold / Double(loads.expertCount)
    // By layer: experts for which no rank has room, and which of the others needs a replica most.
    var closed = Array(repeating: Set<Int>(), count: balances.count)
    func hottest(_ layer: Int) -> (expert: Int, share: Double)? {
      var found: (expert: Int, share: Double)?
      for expert in 0..<loads.expertCount where balances[layer].holders[expert].count < room.count {
        let share = totals[layer] > 0 ? balances[layer].share(expert) / totals[layer] : 0
        if share > mean, share > found?.share ?? 0, !closed[layer].contains(expert) { found = (expert, share) }
      }
      return found
    }
    var candidates = balances.indices.map(hottest)
    while room.contains(where: { $0 > 0 }) {
      guard let layer = candidates.indices.max(by: { candidates[$0]?.share ?? 0 < candidates[$1]?.share ?? 0 }),
        let (expert, _) = candidates[layer]
      else { return }
      if let rank = place(of: expert, balances[layer], base[loads.layers[layer]], room) {
        balances[layer].addReplica(of: expert, on: rank)
        room[rank] -= 1
      } else {
        closed[layer].insert(expert)
      }
      candidates[layer] = hottest(layer)
    }
  }

  /// The rank with room that has least to do.
  private func place(of expert: Int, _ balance: LayerBalance, _ base: ExpertPlacement, _ room: [Int]) -> Int? {
    let open = room.indices.filter { room[$0] > 0 && !balance.holds(expert, $0) }
    guard let best = open.min(by: { balance.cost($0) < balance.cost($1) }) else { return nil }
    let staying = open.filter { base.holds(expert, Rank($0)) }.min { balance.cost($0) < balance.cost($1) }
    if let staying, balance.cost(staying) <= balance.cost(best) * Self.staying { return staying }
    return best
  }

  /// What the busiest rank has over the mean, by layer of `loads`: of visits, and of distinct experts of a step.
  /// Expected, as if every step had its share of the visits.
  package static func factors(_ loads: ExpertLoads, _ placement: ModelPlacement) -> [(visits: Double, experts: Double)]
  {
    loads.layers.indices.map { index in
      let layer = placement[loads.layers[index]]
      var balance = LayerBalance(
        owners: layer.owners.map(\.index), rankCount: placement.rankCount, visits: loads.visits[index],
        steps: loads.steps)
      for (expert, ranks) in layer.replicas.enumerated() {
        for rank in ranks { balance.addReplica(of: expert, on: rank.index) }
      }
      return balance.factors
    }
  }

  /// The mean over layers of what `factors` says.
  package static func meanFactors(
    _ loads: ExpertLoads, _ placement: ModelPlacement
  ) -> (visits: Double, experts: Double) {
    let all = factors(loads, placement)
    guard !all.isEmpty else { return (1, 1) }
    return (all.reduce(0) { $0 + $1.visits } / Double(all.count), all.reduce(0) { $0 + $1.experts } / Double(all.count))
  }
}

extension ModelPlacement {
  /// Experts that a rank owns in these layers together, without replicas.
  func expertCountOwned(by rank: Rank, layers: [Int]) -> Int {
    layers.reduce(0) { $0 + self[$1].owners.count { $0 == rank } }
  }
}
