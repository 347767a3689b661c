import Machine
import Testing

@Suite struct CoreAssignmentTests {
  /// Nodes of `coresPerNode` consecutive cores each, or with core numbers dealt out in turn.
  private func host(nodeCount: Int, coresPerNode: Int, interleaved: Bool) -> [NUMANode] {
    (0..<nodeCount).map { node in
      let cores = (0..<coresPerNode).map { interleaved ? $0 * nodeCount + node : node * coresPerNode + $0 }
      return NUMANode(id: node * 2, cores: cores)
    }
  }

  private func divideAll(
    _ allowed: [[Int]], _ nodes: [NUMANode], threadsPerRank: Int? = nil
  ) throws -> [CoreAssignment] {
    try allowed.indices.map {
      try CoreAssignment.divide(
        localRank: $0, allowedCoresByLocalRank: allowed, nodes: nodes, threadsPerRank: threadsPerRank)
    }
  }

  @Test(arguments: [false, true])
  func unboundRanksGetEqualContiguousPartsOfEveryHost(interleaved: Bool) throws {
    for nodeCount in 1...4 {
      for coresPerNode in 1...6 {
        let nodes = host(nodeCount: nodeCount, coresPerNode: coresPerNode, interleaved: interleaved)
        let inOrder = nodes.flatMap(\.cores)
        for rankCount in 1...10 {
          let shares = try divideAll(Array(repeating: inOrder.sorted(), count: rankCount), nodes)
          let what = Comment("\(nodeCount) nodes of \(coresPerNode) cores, \(rankCount) ranks: \(shares)")
          if rankCount <= inOrder.count {
            #expect(shares.flatMap(\.cores) == inOrder, what)
            #expect(shares.allSatisfy { !$0.oversubscribed }, what)
            let counts = shares.map(\.cores.count)
            #expect(counts.max()! - counts.min()! <= 1, what)
          } else {
            #expect(shares.allSatisfy { $0.oversubscribed && $0.cores.count == 1 }, what)
            let uses = inOrder.map { core in shares.count { $0.cores == [core] } }
            #expect(uses.max()! - uses.min()! <= 1, what)
          }
        }
      }
    }
  }

  @Test func aRankPerNodeStaysOnItsNode() throws {
    let nodes = host(nodeCount: 2, coresPerNode: 8, interleaved: true)
    let shares = try divideAll(Array(repeating: Array(0..<16), count: 2), nodes)
    #expect(shares.map(\.cores) == nodes.map(\.cores))
  }

  @Test func boundRanksKeepTheirCores() throws {
    let nodes = host(nodeCount: 2, coresPerNode: 4, interleaved: false)
    let shares = try divideAll([[4, 5], [0, 1, 2], [7]], nodes)
    #expect(shares.map(\.cores) == [[4, 5], [0, 1, 2], [7]])
    #expect(shares.allSatisfy { !$0.oversubscribed })
  }

  @Test func ranksBoundInPairsDivideEachPairsCores() throws {
    let nodes = host(nodeCount: 2, coresPerNode: 4, interleaved: false)
    let shares = try divideAll([[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7]], nodes)
    #expect(shares.map(\.cores) == [[0, 1], [4, 5], [2, 3], [6, 7]])
  }

  @Test func ranksBoundToOneCoreShareIt() throws {
    let shares = try divideAll([[0], [1], [0], [2, 3]], host(nodeCount: 1, coresPerNode: 4, interleaved: false))
    #expect(shares.map(\.cores) == [[0], [1], [0], [2, 3]])
    #expect(shares.map(\.oversubscribed) == [true, false, true, false])
  }

  @Test func overlappingSetsGiveEachRankItsOwnCoresWhereThatIsPossible() throws {
    let nodes = host(nodeCount: 1, coresPerNode: 8, interleaved: false)
    // Rank 0 must leave core 0 to rank 1.
    for allowed in [[[0, 1], [0]], [[0, 1, 2, 3], [2, 3, 4, 5]], [[0, 1, 2], [0], [0, 1], [2, 3, 4]]] {
      let shares = try divideAll(allowed, nodes)
      let all = shares.flatMap(\.cores)
      #expect(Set(all).count == all.count, "\(shares)")
      #expect(Set(all) == Set(allowed.flatMap(\.self)), "\(shares)")
      for (share, cores) in zip(shares, allowed) {
        #expect(!share.cores.isEmpty && Set(share.cores).isSubset(of: cores), "\(shares)")
        #expect(!share.oversubscribed)
      }
    }
    let crowded = try divideAll([[0, 1], [0], [1], [0, 1]], nodes)
    #expect(crowded.allSatisfy { $0.oversubscribed && $0.cores.count == 1 })
    #expect([0, 1].allSatisfy { core in crowded.count { $0.cores == [core] } == 2 })
  }

  @Test func fewerThreadsSpreadOverTheNodes() throws {
    let nodes = host(nodeCount: 2, coresPerNode: 4, interleaved: false)
    let share = try CoreAssignment.divide(
      localRank: 0, allowedCoresByLocalRank: [Array(0..<8)], nodes: nodes, threadsPerRank: 4)
    #expect(share == CoreAssignment(cores: [0, 2, 4, 6], oversubscribed: false))
  }

  @Test func moreThreadsThanCoresRepeatThemAndSaySo() throws {
    let nodes = host(nodeCount: 1, coresPerNode: 2, interleaved: false)
    let shares = try divideAll([[0, 1], [0, 1]], nodes, threadsPerRank: 3)
    #expect(shares.map(\.cores) == [[0, 0, 0], [1, 1, 1]])
    #expect(shares.allSatisfy { $0.oversubscribed })
  }

  @Test func coresThatNoNodeListsComeLast() throws {
    let share = try CoreAssignment.divide(
      localRank: 0, allowedCoresByLocalRank: [[9, 2, 1, 2]], nodes: [NUMANode(id: 0, cores: [2])])
    #expect(share.cores == [2, 1, 9])
  }

  @Test func badArgumentsAreErrors() {
    let nodes = host(nodeCount: 1, coresPerNode: 2, interleaved: false)
    #expect(throws: MachineError.localRankOutOfRange(localRank: 2, count: 2)) {
      try CoreAssignment.divide(localRank: 2, allowedCoresByLocalRank: [[0], [1]], nodes: nodes)
    }
    #expect(throws: MachineError.rankWithoutCores(localRank: 1)) {
      try CoreAssignment.divide(localRank: 0, allowedCoresByLocalRank: [[0], []], nodes: nodes)
    }
    for count in [0, -1, .max] {
      #expect(throws: MachineError.invalidThreadCount(count, limit: 4096)) {
        try CoreAssignment.divide(
          localRank: 0, allowedCoresByLocalRank: [[0]], nodes: nodes, threadsPerRank: count)
      }
    }
  }
}
