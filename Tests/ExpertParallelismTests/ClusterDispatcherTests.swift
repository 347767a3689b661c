import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import Telemetry
import TestSupport
import Testing

/// Dispatch and combine against their specification and against one rank that holds every expert, bit by bit.
struct ClusterDispatcherTests {
  struct MoE: Sendable, CustomStringConvertible {
    var experts: Int
    var topK: Int
    var threads: Int
    var description: String { "top \(topK) of \(experts) experts, \(threads) threads" }
  }

  static let moes = [(2, 1), (2, 2), (8, 1), (8, 2), (10, 3), (10, 10), (64, 1), (64, 6)].flatMap { experts, topK in
    [1, 2].map { MoE(experts: experts, topK: topK, threads: $0) }
  }

  @Test(arguments: moes)
  func everyPlacementGivesTheBitsOfOneRank(moe: MoE) throws {
    let model = try TinyMoE(expertCount: moe.experts, topK: moe.topK, threads: moe.threads)
    var generator = SeededGenerator(UInt64(moe.experts * 100 + moe.topK))
    for ranks in [1, 2, 3, 4, 8] {
      let scenario = ExpertScenario(
        model: model, threads: moe.threads, steps: steps(moe, ranks: ranks, using: &generator))
      let expected = try scenario.runLocally()
      let eagerByteLimit = [0, 512, 1 << 20].randomElement(using: &generator)!
      for (name, placement) in placements(moe.experts, ranks: ranks, using: &generator) {
        for implementation in [ExpertScenario.Implementation.distributed, .shared, .reference] {
          let found = try scenario.run(implementation, placement: placement, eagerByteLimit: eagerByteLimit)
          #expect(found == expected, "\(implementation), \(ranks) ranks, \(name) placement, eager to \(eagerByteLimit)")
        }
      }
    }
  }

  /// Rows that travel as the experts meet them are rounded once, wherever that happens.
  @Test(arguments: [WeightPrecision.bf16, .q8, .q4])
  func roundedRowsGiveTheBitsOfOneRank(weights: WeightPrecision) throws {
    let moe = MoE(experts: 10, topK: 3, threads: 2)
    let model = try TinyMoE(expertCount: 10, topK: 3, threads: 2, weights: weights)
    #expect(model.wire().tokens == (weights == .bf16 ? .bfloat16 : .int8))
    var generator = SeededGenerator(77)
    let scenario = ExpertScenario(model: model, threads: 2, steps: steps(moe, ranks: 3, using: &generator))
    let expected = try scenario.runLocally()
    for (name, placement) in placements(10, ranks: 3, using: &generator) {
      for implementation in [ExpertScenario.Implementation.distributed, .shared, .reference] {
        let found = try scenario.run(implementation, placement: placement, eagerByteLimit: 512)
        #expect(found == expected, "\(weights), \(implementation), \(name) placement")
      }
    }
  }

  /// With this much to do, own tokens are computed apart while messages travel; through shared memory they are not.
  @Test func ownTokensComputedApartGiveTheSameBits() throws {
    let model = try TinyMoE(expertCount: 4, topK: 4, threads: 2)
    var generator = SeededGenerator(79)
    for ranks in [2, 3, 4] {
      let tokens = (0..<ranks).map { _ in RankTokens(40, expertCount: 4, topK: 4, using: &generator) }
      let fewer = (0..<ranks).map { RankTokens($0 == 1 ? 40 : $0, expertCount: 4, topK: 4, using: &generator) }
      let scenario = ExpertScenario(model: model, threads: 2, steps: [tokens, fewer, tokens])
      let expected = try scenario.runLocally()
      for eagerByteLimit in [0, 1 << 20] {
        let found = try scenario.run(
          .distributed, placement: ExpertPlacement(expertCount: 4, rankCount: ranks), eagerByteLimit: eagerByteLimit)
        #expect(found == expected, "\(ranks) ranks, eager to \(eagerByteLimit)")
      }
    }
  }

  /// Weights that are read twice are counted twice: how the test above knows that it tests something.
  @Test(arguments: [(2, 2), (40, 4)]) func expertsAreRunTwiceWhereOwnTokensAreManyOnly(tokens: Int, distinct: Int32)
    throws
  {
    let model = try TinyMoE(expertCount: 4, topK: 4, threads: 1)
    let placement = ExpertPlacement(expertCount: 4, rankCount: 2)
    let counts = try LocalFabric.run(size: 2, eagerByteLimit: 0) { communicator in
      let counted = telemetry(model, placement)
      let experts = try layer(model, placement, communicator, counting: counted)
      var generator = SeededGenerator(80)
      try experts.beginStep(rowsByRank: [tokens, tokens])
      try run(experts, RankTokens(tokens, expertCount: 4, topK: 4, using: &generator), topK: 4)
      #expect(counted.stepVisits[0] == Int32(4 * tokens))
      return counted.stepDistinct[0]
    }
    #expect(counts == [distinct, distinct])
  }

  /// Each partial sum is off by half a bf16 step at most, and there are at most top-k of them.
  @Test func sumsInBF16AreOffByTheirRoundingOnly() throws {
    let moe = MoE(experts: 10, topK: 3, threads: 1)
    let model = try TinyMoE(expertCount: 10, topK: 3, threads: 1)
    var generator = SeededGenerator(78)
    let scenario = ExpertScenario(model: model, threads: 1, steps: steps(moe, ranks: 3, using: &generator))
    let placement = ExpertPlacement(expertCount: 10, rankCount: 3)
    func values(_ outputs: ExpertScenario.Outputs) -> [Float] {
      outputs.joined().joined().joined().map { Float(bitPattern: $0) }
    }
    let (exact, rounded) = (
      values(try scenario.runLocally()), values(try scenario.run(.rounded, placement: placement, eagerByteLimit: 512))
    )
    // The sums that travel may be greater than their total: measured against the greatest number there is.
    let greatest = exact.map(abs).max() ?? 0
    #expect(zip(exact, rounded).allSatisfy { abs($0 - $1) <= 3 * greatest / 256 })
    #expect(exact != rounded)
  }

  /// Steps of changing sizes: some ranks with nothing, one with everything, all tokens to the same experts, nothing
  /// at all, and enough for the workers to share the copying.
  private func steps(_ moe: MoE, ranks: Int, using generator: inout SeededGenerator) -> [[RankTokens]] {
    func step(_ counts: [Int], experts: [Int32]? = nil) -> [RankTokens] {
      counts.map {
        RankTokens($0, expertCount: moe.experts, topK: moe.topK, experts: experts, using: &generator)
      }
    }
    var alone = [Int](repeating: 0, count: ranks)
    alone[ranks - 1] = 19
    let same = generator.ids(moe.topK, below: moe.experts)
    let mixed = (0..<ranks).map { _ in Int.random(in: 0...3, using: &generator) }
    return [
      step(mixed), step(alone), step([Int](repeating: 0, count: ranks)), step(alone.reversed(), experts: same),
      step(mixed.reversed()),
    ]
  }

  private func placements(
    _ experts: Int, ranks: Int, using generator: inout SeededGenerator
  ) -> [(String, ExpertPlacement)] {
    let random = (0..<experts).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) }
    return [
      ("contiguous", ExpertPlacement(expertCount: experts, rankCount: ranks)),
      ("round-robin", ExpertPlacement(owners: (0..<experts).map { Rank($0 % ranks) }, rankCount: ranks)),
      ("random", ExpertPlacement(owners: random, rankCount: ranks)),
    ]
  }

  @Test func aTokenTravelsOnceToEachRankAndTheAccountSaysWhatWasSent() throws {
    let model = try TinyMoE(expertCount: 8, topK: 4, threads: 1)
    let placement = ExpertPlacement(expertCount: 8, rankCount: 2)
    let sent = try LocalFabric.run(size: 2) { communicator in
      let counted = telemetry(model, placement)
      let experts = try layer(model, placement, communicator, counting: counted)
      var generator = SeededGenerator(3)
      // Experts 4 to 7 live on rank 1: the whole sum comes back as one row.
      let tokens = RankTokens(
        communicator.isRoot ? 3 : 0, expertCount: 8, topK: 4, experts: [4, 5, 6, 7], using: &generator)
      try experts.beginStep(rowsByRank: [3, 0])
      try run(experts, tokens, topK: 4)
      #expect(counted.traffic.total.bytes == communicator.bytesSent)
      #expect(counted.traffic.total.messages == communicator.messagesSent)
      #expect(counted.traffic.total.payload == 3 * TinyMoE.hiddenSize * 4)
      #expect(counted.traffic.rowsToHost == (communicator.isRoot ? [3, 0] : [0, 0]))
      // All three tokens' four visits happen on rank 1.
      #expect(counted.stepVisits.reduce(0, +) == (communicator.isRoot ? 0 : 12))
      #expect(counted.stepDistinct.reduce(0, +) == (communicator.isRoot ? 0 : 4))
      return communicator.bytesSent
    }
    let row = TinyMoE.hiddenSize * 4
    // Header, three visit counts, twelve ids and weights, padded to 64; then three rows. Back: a header, three rows.
    #expect(sent == [128 + 3 * row, 64 + 3 * row])
  }

  /// The message a peer sends instead of what the protocol says, and the error it must give.
  @Test(arguments: [0, 4, 8, 64, 4096])
  func aMalformedDispatchIsAnErrorThatNamesItsSender(byteCount: Int) throws {
    let model = try TinyMoE(expertCount: 8, topK: 2, threads: 1)
    #expect {
      try LocalFabric.run(size: 2) { communicator in
        if communicator.isRoot {
          let experts = try layer(model, ExpertPlacement(expertCount: 8, rankCount: 2), communicator)
          var generator = SeededGenerator(3)
          try experts.beginStep(rowsByRank: [0, 40])
          try run(experts, RankTokens(0, expertCount: 8, topK: 2, using: &generator), topK: 2)
        } else {
          _ = try PeerClocks(communicator)
          let garbage = [UInt8](repeating: 0xfe, count: byteCount)
          try garbage.withUnsafeBytes { bytes in
            _ = try communicator.wait(try communicator.startSend(bytes, to: Rank(0), tag: MessageTag(1)))
          }
        }
      }
    } throws: { error in
      guard case ExpertParallelismError.malformedDispatch(from: Rank(1), layer: 0, _) = error else { return false }
      return "\(error)".contains("rank 1")
    }
  }

  @Test(arguments: [0, 4, 64, TinyMoE.hiddenSize * 4 + 60])
  func anAnswerOfTheWrongSizeIsAnErrorThatNamesItsSender(byteCount: Int) throws {
    let model = try TinyMoE(expertCount: 8, topK: 2, threads: 1)
    let expected = 64 + TinyMoE.hiddenSize * 4
    #expect(
      throws: ExpertParallelismError.malformedCombine(from: Rank(1), layer: 0, bytes: byteCount, expected: expected)
    ) {
      try LocalFabric.run(size: 2) { communicator in
        if communicator.isRoot {
          let experts = try layer(model, ExpertPlacement(expertCount: 8, rankCount: 2), communicator)
          var generator = SeededGenerator(3)
          try experts.beginStep(rowsByRank: [1, 0])
          try run(experts, RankTokens(1, expertCount: 8, topK: 2, experts: [4, 5], using: &generator), topK: 2)
        } else {
          _ = try PeerClocks(communicator)
          var buffer = [UInt8](repeating: 0, count: 4096)
          try buffer.withUnsafeMutableBytes { buffer in
            _ = try communicator.wait(try communicator.startReceive(into: buffer, from: Rank(0), tag: MessageTag(1)))
          }
          try [UInt8](repeating: 0, count: byteCount).withUnsafeBytes { bytes in
            _ = try communicator.wait(try communicator.startSend(bytes, to: Rank(0), tag: MessageTag(2)))
          }
        }
      }
    }
  }

  /// 2³¹ bytes are too many for one message, on the way out or back; every rank must see it before any sends.
  @Test func aStepThatMakesTooLargeMessagesIsRefusedOnEveryRankAlike() throws {
    let model = try TinyMoE(expertCount: 64, topK: 6, threads: 1)
    let rowByteCount = TinyMoE.hiddenSize * 4
    // Contiguous: 32 experts of a rank are one node, one row back. Round-robin: six rows may come back.
    let roundRobin = ExpertPlacement(owners: (0..<64).map { Rank($0 % 2) }, rankCount: 2)
    let cases = [
      (ExpertPlacement(expertCount: 64, rankCount: 2), (1 << 31) / rowByteCount + 1, true),
      (ExpertPlacement(expertCount: 64, rankCount: 2), 1000, false),
      (roundRobin, (1 << 31) / (6 * rowByteCount) + 1, true), (roundRobin, 1000, false),
    ]
    for (placement, rows, isRefused) in cases {
      let refused = try LocalFabric.run(size: 2) { communicator in
        let experts = try layer(model, placement, communicator)
        do throws(ExpertParallelismError) {
          try experts.beginStep(rowsByRank: [rows, 0])
          return false
        } catch {
          #expect("\(error)".contains("--max-batch-tokens"))
          return true
        }
      }
      #expect(refused == [isRefused, isRefused], "\(rows) rows")
    }
    let alone = try layer(model, ExpertPlacement(expertCount: 64, rankCount: 1), LocalCommunicator.solo())
    #expect(throws: Never.self) { try alone.beginStep(rowsByRank: [1 << 40]) }
  }
}
