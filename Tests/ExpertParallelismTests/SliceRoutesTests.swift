import ExpertParallelism
import Testing

/// Which way slices take.
struct SliceRoutesTests {
  private func hosts(_ sizes: [Int]) -> [Int] {
    sizes.reduce(into: []) { ranks, size in
      let leader = ranks.count
      ranks += Array(repeating: leader, count: size)
    }
  }

  /// Carries pieces along all routes: every rank gets each of the others' once, and sends what it has.
  private func expectComplete(_ sizes: [Int]) {
    let hostOfRank = hosts(sizes)
    let routes = SliceRoutes(hostOfRank: hostOfRank)
    let ranks = hostOfRank.indices
    #expect(routes.rankCount == ranks.count)
    var known = ranks.map { [$0] }
    for stage in 0..<(routes.stages(of: 0).count) {
      let before = known
      for rank in ranks {
        let own = routes.stages(of: rank)[stage]
        #expect(Set(own.origins).isSubset(of: before[rank]), "\(sizes)")
        for (peer, origins) in own.peers {
          // What one expects is what the other sends.
          #expect(routes.stages(of: peer)[stage].origins == origins)
          #expect(routes.stages(of: peer)[stage].peers.contains { $0.rank == rank })
          known[rank] += origins
        }
      }
    }
    #expect(known.allSatisfy { $0.sorted() == Array(ranks) }, "\(sizes): \(known)")
    for rank in ranks {
      let stages = routes.stages(of: rank)
      #expect(stages.count == routes.stageCount)
      for stage in stages {
        let peers = stage.peers.map(\.rank)
        #expect(Set(peers).count == peers.count && !peers.contains(rank))
        #expect(stage.peers.isEmpty || stage.origins.count <= routes.mostOrigins)
      }
      // No two messages of an exchange between the same two ranks of different hosts.
      let far = stages.flatMap { $0.peers.map(\.rank) }.filter { hostOfRank[$0] != hostOfRank[rank] }
      #expect(Set(far).count == far.count)
    }
  }

  @Test func everyRankGetsAllPiecesOnce() {
    for count in 1...40 { expectComplete(Array(repeating: 1, count: count)) }
    for hosts in 1...9 { for ranks in 2...5 { expectComplete(Array(repeating: ranks, count: hosts)) } }
    for sizes in [[2, 1], [1, 2, 3], [4, 4, 3]] { expectComplete(sizes) }
  }

  @Test func hostsOfSeveralRanksGetPiecesOnce() {
    let hostOfRank = hosts([4, 4, 4])
    let routes = SliceRoutes(hostOfRank: hostOfRank)
    for rank in hostOfRank.indices {
      let stages = routes.stages(of: rank)
      #expect(stages.count == 2)
      #expect(stages[0].peers.count == 2 && stages[0].peers.allSatisfy { hostOfRank[$0.rank] != hostOfRank[rank] })
      #expect(stages[1].peers.count == 3 && stages[1].peers.allSatisfy { hostOfRank[$0.rank] == hostOfRank[rank] })
    }
    #expect(routes.mostOrigins == 3)
    #expect(SliceRoutes(hostOfRank: hosts([3, 4])).stages(of: 0).count == 1)
  }

  @Test func ranksOfAHostShareOutMessagesToManyHosts() {
    for (count, ranks) in [(4, 3), (4, 4), (6, 2), (7, 3), (8, 2), (8, 8), (16, 4), (16, 8), (17, 4)] {
      let hostOfRank = hosts(Array(repeating: ranks, count: count))
      let routes = SliceRoutes(hostOfRank: hostOfRank)
      #expect(routes.stageCount == 3)
      // Each pair of hosts has one message each way; an odd number of hosts leaves one out in each round.
      let rounds = count % 2 == 0 ? count - 1 : count
      var pairs: Set<[Int]> = []
      for rank in hostOfRank.indices {
        let stages = routes.stages(of: rank)
        #expect(stages[1].peers.count <= (rounds + ranks - 1) / ranks, "\(count) \(ranks)")
        #expect([stages[0], stages[2]].allSatisfy { $0.peers.allSatisfy { hostOfRank[$0.rank] == hostOfRank[rank] } })
        for peer in stages[1].peers {
          #expect(pairs.insert([hostOfRank[rank], hostOfRank[peer.rank]]).inserted)
          #expect(peer.origins.map { hostOfRank[$0] } == Array(repeating: hostOfRank[peer.rank], count: ranks))
        }
      }
      #expect(pairs.count == count * (count - 1))
    }
    // Where that saves no more than a message, pieces go to other hosts at once.
    #expect(SliceRoutes(hostOfRank: hosts([2, 2, 2, 2])).stageCount == 2)
  }

  @Test func manyHostsTakeFewerMessagesInTwoStages() {
    func messages(_ count: Int) -> (stages: Int, messages: Int) {
      let stages = SliceRoutes(hostOfRank: Array(0..<count)).stages(of: count / 2)
      return (stages.count, stages.reduce(0) { $0 + $1.peers.count })
    }
    for count in 1...8 { #expect(messages(count) == (1, count - 1)) }
    #expect(messages(9) == (2, 4) && messages(16) == (2, 6) && messages(64) == (2, 14))
    // Of thirteen there is no rectangle.
    #expect(messages(13) == (1, 12))
  }
}
