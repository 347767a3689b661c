import Fabric
import ForwardingCommunicator
import MoEModel
import Telemetry
import TestSupport
import Testing

@testable import ExpertParallelism

/// Hosts of several ranks, to each of which a token travels once.
struct RelayedTransportTests {
  /// Ranks, ranks of each host (the last may have fewer), and the tokens that a step has room for.
  static let layouts = [(4, 2, 64), (4, 2, 4), (3, 2, 64), (6, 2, 64), (6, 3, 4), (8, 4, 64), (5, 3, 64)]

  @Test(arguments: layouts)
  func relayedTokensGiveTheBitsOfOneRank(ranks: Int, ranksPerHost: Int, room: Int) throws {
    var generator = SeededGenerator(UInt64(ranks * 10 + ranksPerHost))
    for (experts, topK) in [(8, 2), (10, 3), (64, 6), (4, 4)] {
      let model = try TinyMoE(expertCount: experts, topK: topK, threads: 2)
      func step(_ counts: [Int]) -> [RankTokens] {
        counts.map { RankTokens($0, expertCount: experts, topK: topK, using: &generator) }
      }
      var alone = [Int](repeating: 0, count: ranks)
      alone[ranks - 1] = 19
      let scenario = ExpertScenario(
        model: model, threads: 2,
        steps: [
          step((0..<ranks).map { $0 % 4 }), step(alone), step([Int](repeating: 0, count: ranks)),
          step(alone.reversed()),
          step([Int](repeating: 40, count: ranks)), step([Int](repeating: 1, count: ranks)),
        ])
      let expected = try scenario.runLocally()
      let random = (0..<experts).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) }
      for placement in [
        ExpertPlacement(expertCount: experts, rankCount: ranks),
        ExpertPlacement(owners: (0..<experts).map { Rank($0 % ranks) }, rankCount: ranks),
        ExpertPlacement(owners: random, rankCount: ranks),
      ] {
        let implementation = ExpertScenario.Implementation.relayed(ranksPerHost: ranksPerHost, room: room)
        for eagerByteLimit in [0, 1 << 20] {
          let found = try scenario.run(implementation, placement: placement, eagerByteLimit: eagerByteLimit)
          #expect(
            found == expected, "\(topK) of \(experts) experts, owners \(placement.owners), eager to \(eagerByteLimit)")
        }
      }
    }
  }

  @Test func roundedRowsGiveTheBitsOfOneRankToo() throws {
    var generator = SeededGenerator(5)
    let model = try TinyMoE(expertCount: 10, topK: 3, threads: 1, weights: .q8)
    let tokens = (0..<4).map { RankTokens(5 * $0, expertCount: 10, topK: 3, using: &generator) }
    let scenario = ExpertScenario(model: model, threads: 1, steps: [tokens])
    let found = try scenario.run(
      .relayed(ranksPerHost: 2, room: 64), placement: ExpertPlacement(expertCount: 10, rankCount: 4),
      eagerByteLimit: 512)
    #expect(found == (try scenario.runLocally()))
  }

  /// Four experts of each rank: every token goes to both ranks of the other host, in one message, and comes back as one
  /// sum.
  @Test func aTokenTravelsOnceToEachHost() throws {
    let model = try TinyMoE(expertCount: 16, topK: 4, threads: 1)
    let placement = ExpertPlacement(expertCount: 16, rankCount: 4)
    let row = TinyMoE.hiddenSize * 4
    try LocalFabric.run(size: 4) { communicator in
      let hosted = HostedCommunicator(communicator, ranksPerHost: 2)
      let counted = telemetry(model, placement)
      let experts = try layer(model, placement, hosted, counting: counted, room: 64)
      var generator = SeededGenerator(3)
      // Of ranks 2, 2, 3 and 3.
      let tokens = RankTokens(
        communicator.isRoot ? 3 : 0, expertCount: 16, topK: 4, experts: [8, 11, 12, 15], using: &generator)
      try experts.beginStep(rowsByRank: [3, 0, 0, 0])
      try run(experts, tokens, topK: 4)
      let far = (communicator.isRoot ? [2, 3] : [0, 1]).reduce(into: Traffic()) { $0 += counted.traffic.byRank[$1] }
      let near = communicator.rank.index < 2 ? Traffic() : counted.traffic.byRank[5 - communicator.rank.index]
      switch communicator.rank.index {
      case 0:
        #expect(far.dispatchRows == 3 && far.dispatchPayload == 3 * row && far.messages == 1)
        #expect(counted.traffic.rowsToHost == [0, 0, 3, 0])
        // Nothing but that went to other ranks' mailboxes except to this host's, through shared memory.
        #expect(communicator.bytesSent == far.dispatchPayload + far.dispatchMetadata)
      case 1: #expect(communicator.bytesSent == 0)
      case 2:
        // The gateway of rank 0 returns one row for each token.
        #expect(
          far.combineRows == 3 && far.combineTokens == 3 && far.messages == 1 && communicator.bytesSent == 64 + 3 * row)
        #expect(near == Traffic())
      default:
        #expect(far == Traffic() && communicator.bytesSent == 0)
        #expect(near.combineRows == 3 && near.messages == 1)
      }
    }
  }

  @Test func aMalformedRelayedMessageIsAnErrorOfItsSender() throws {
    let model = try TinyMoE(expertCount: 8, topK: 2, threads: 1)
    #expect {
      try LocalFabric.run(size: 4) { communicator in
        let hosted = HostedCommunicator(communicator, ranksPerHost: 2)
        let experts = try layer(model, ExpertPlacement(expertCount: 8, rankCount: 4), hosted, room: 64)
        var generator = SeededGenerator(3)
        try experts.beginStep(rowsByRank: [0, 0, 0, 9])
        if communicator.rank.index < 3 {
          try run(experts, RankTokens(0, expertCount: 8, topK: 2, using: &generator), topK: 2)
        } else {
          // Rank 3's gateway on the first host is rank 0: expert 4 is not of that host.
          let words: [Int32] = [1, 1, 0, 0, 1, 4, 0] + [Int32](repeating: 0, count: 9 + TinyMoE.hiddenSize)
          try words.withUnsafeBytes {
            _ = try communicator.wait(try communicator.startSend($0, to: Rank(0), tag: MessageTag(1)))
          }
        }
      }
    } throws: { error in
      guard case ExpertParallelismError.malformedDispatch(from: Rank(3), layer: 0, _) = error else { return false }
      return "\(error)".contains("asks for expert 4")
    }
  }

  @Test(arguments: [
    ([0, 0, 2, 2], true), ([0, 0, 0], false), ([0, 1, 2], false), ([0, 0, 2], true), ([0, 1, 0, 1, 4], true),
  ])
  func gatewaysAreOfTheRightHostAndSpread(hostOfRank: [Int], saves: Bool) {
    let gateways = Gateways(hostOfRank: hostOfRank)
    #expect(gateways.save == saves)
    let ranks = hostOfRank.indices.map { Rank($0) }
    for sender in ranks {
      for peer in ranks {
        let gateway = gateways.gateway(of: sender, towards: peer)
        #expect(hostOfRank[gateway.index] == hostOfRank[peer.index])
        if hostOfRank[sender.index] == hostOfRank[peer.index] { #expect(gateway == peer) }
      }
    }
    for peer in ranks {
      // Of one other host's ranks, no two have the same gateway while another has none.
      for host in Set(hostOfRank) where host != hostOfRank[peer.index] {
        let senders = ranks.filter { hostOfRank[$0.index] == host }
        let size = ranks.count { hostOfRank[$0.index] == hostOfRank[peer.index] }
        #expect(Set(senders.map { gateways.gateway(of: $0, towards: peer) }).count == min(senders.count, size))
      }
    }
  }
}
