/// The cores one rank's workers run on.
package struct CoreAssignment: Sendable, Equatable {
  /// One entry per worker, in the order of NUMA nodes; a core appears twice only when oversubscribed.
  package let cores: [Int]
  /// Whether workers share cores, with each other or with another rank of this host.
  package let oversubscribed: Bool

  package init(cores: [Int], oversubscribed: Bool) {
    self.cores = cores
    self.oversubscribed = oversubscribed
  }

  /// Divides a host's cores among its ranks; every rank gets the same answer from the same arguments.
  ///
  /// Ranks whose cores overlap with nobody's (bound by the launcher) keep them all. Ranks that share one set of cores
  /// (launched unbound) get equal, contiguous parts of it in node order, differing by at most one core. Where there are
  /// more ranks than cores, each gets one core, shared in turn. `threadsPerRank` takes that many of a rank's cores,
  /// spread over its nodes and caches, or repeats them when there are too few.
  package static func divide(
    localRank: Int, allowedCoresByLocalRank: [[Int]], nodes: [NUMANode], threadsPerRank: Int? = nil
  ) throws(MachineError) -> CoreAssignment {
    guard allowedCoresByLocalRank.indices.contains(localRank) else {
      throw .localRankOutOfRange(localRank: localRank, count: allowedCoresByLocalRank.count)
    }
    if let threadsPerRank, !(1...WorkerPool.workerLimit).contains(threadsPerRank) {
      throw .invalidThreadCount(threadsPerRank, limit: WorkerPool.workerLimit)
    }
    let allowed = allowedCoresByLocalRank.map { Set($0) }
    if let bare = allowed.firstIndex(where: \.isEmpty) { throw .rankWithoutCores(localRank: bare) }
    let group = overlapping(with: localRank, allowed)
    let position = nodePositions(nodes)
    let shares = shares(of: group, allowed) { first, second in
      (position[first] ?? .max, first) < (position[second] ?? .max, second)
    }
    let share = shares.cores[group.firstIndex(of: localRank) ?? 0]
    guard let threadsPerRank else { return CoreAssignment(cores: share, oversubscribed: shares.oversubscribed) }
    guard threadsPerRank <= share.count else {
      return CoreAssignment(cores: (0..<threadsPerRank).map { share[$0 % share.count] }, oversubscribed: true)
    }
    let spread = (0..<threadsPerRank).map { share[$0 * share.count / threadsPerRank] }
    return CoreAssignment(cores: spread, oversubscribed: shares.oversubscribed)
  }

  /// The ranks connected to this one by shared cores, ascending, itself included.
  private static func overlapping(with localRank: Int, _ allowed: [Set<Int>]) -> [Int] {
    var group: Set<Int> = [localRank]
    var cores = allowed[localRank]
    var grew = true
    while grew {
      grew = false
      for (rank, others) in allowed.enumerated() where !group.contains(rank) && !others.isDisjoint(with: cores) {
        group.insert(rank)
        cores.formUnion(others)
        grew = true
      }
    }
    return group.sorted()
  }

  private static func nodePositions(_ nodes: [NUMANode]) -> [Int: Int] {
    var positions: [Int: Int] = [:]
    for (position, node) in nodes.enumerated() {
      for core in node.cores { positions[core] = position }
    }
    return positions
  }

  private static func shares(
    of group: [Int], _ allowed: [Set<Int>], by precedes: (Int, Int) -> Bool
  ) -> (cores: [[Int]], oversubscribed: Bool) {
    let sets = group.map { allowed[$0] }
    guard sets.allSatisfy({ $0 == sets[0] }) else { return unequalShares(sets, by: precedes) }
    let cores = sets[0].sorted(by: precedes)
    let rankCount = group.count
    guard rankCount <= cores.count else { return ((0..<rankCount).map { [cores[$0 % cores.count]] }, true) }
    let parts = (0..<rankCount).map { place in
      Array(cores[place * cores.count / rankCount..<(place + 1) * cores.count / rankCount])
    }
    return (parts, false)
  }

  /// For sets that overlap without being equal: a core for each rank first, if that is possible at all, then every
  /// core left to the poorest rank that may use it.
  private static func unequalShares(
    _ sets: [Set<Int>], by precedes: (Int, Int) -> Bool
  ) -> (cores: [[Int]], oversubscribed: Bool) {
    let ordered = sets.map { $0.sorted(by: precedes) }
    var owner: [Int: Int] = [:]
    // Augmenting paths (Kuhn): a rank may take another's core when that one can move on.
    func place(_ rank: Int, _ visited: inout Set<Int>) -> Bool {
      for core in ordered[rank] where visited.insert(core).inserted {
        if let holder = owner[core], !place(holder, &visited) { continue }
        owner[core] = rank
        return true
      }
      return false
    }
    for rank in sets.indices {
      var visited: Set<Int> = []
      guard place(rank, &visited) else {
        // One core each, the least used so far among those allowed.
        var useCounts: [Int: Int] = [:]
        let cores = ordered.map { cores in
          let core = cores.min { useCounts[$0, default: 0] < useCounts[$1, default: 0] } ?? 0
          useCounts[core, default: 0] += 1
          return [core]
        }
        return (cores, true)
      }
    }
    var shares = [[Int]](repeating: [], count: sets.count)
    for (core, rank) in owner { shares[rank].append(core) }
    let all = sets.reduce(into: Set()) { $0.formUnion($1) }
    for core in all.sorted(by: precedes) where owner[core] == nil {
      let candidates = sets.indices.filter { sets[$0].contains(core) }
      if let poorest = candidates.min(by: { shares[$0].count < shares[$1].count }) { shares[poorest].append(core) }
    }
    return (shares.map { $0.sorted(by: precedes) }, false)
  }
}
