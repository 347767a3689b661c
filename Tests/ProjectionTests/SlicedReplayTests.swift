import ExpertParallelism
import Fabric
import MoEModel
import Telemetry
import Testing

@testable import Projection

/// Steps of ranks that share out every matrix, and steps with drafts.
@Suite struct SlicedReplayTests {
  private static let layers = 4
  private let record = RoutingRecord.even(expertCount: 16, topK: 2, groups: nil, layers: 4, rows: 256)

  private var work: ModelWork {
    var work = ModelWork()
    (work.attention, work.expert, work.shared, work.dense) = (4_000_000, 1_000_000, 1_000_000, 8_000_000)
    (work.head, work.router) = (8_000_000, 16_384)
    (work.hiddenSize, work.layers, work.moeLayers) = (1024, Self.layers, Self.layers - 1)
    func piece(_ columns: Int, rows: Int = 1) -> RowExchange.Piece { .init(columns: columns, rows: rows) }
    work.exchanges = [
      RowExchange(.embedding, count: 1, [.init(columns: 1024, isWhole: true)]),
      RowExchange(.values, count: 4, [.init(columns: 1024, heads: 16, keyHeads: 16)]),
      RowExchange(.attentionOutput, count: 4, [piece(1024)]), RowExchange(.denseInner, count: 1, [piece(2048)]),
      RowExchange(.denseOutput, count: 1, [piece(1024)]),
      RowExchange(.expertInner, count: 3, [piece(512, rows: 2), piece(512)]),
      RowExchange(.expertOutput, count: 3, [piece(1024)]), RowExchange(.logits, count: 1, [piece(8192)]),
    ]
    return work
  }

  private func replay(
    ranks: Int, perHost: Int = 1, sliced: Bool, network: String = "25gbe",
    _ change: (inout ModelWork) -> Void = { _ in }
  ) throws -> StepReplay {
    var work = work
    change(&work)
    let rows = RowBytes(token: 1152, sum: 4096)
    var replay = StepReplay(
      compute: ComputeModel(
        work, bytesPerParameter: 1,
        machine: .init(readBytesPerSecond: 1e9, operationsPerSecond: 1e12, efficiency: 1), rowBytes: rows),
      network: try Network(network, sameHostIn: []),
      layout: Layout(rankCount: ranks, ranksPerHost: perHost, expertCount: 16), rowBytes: rows)
    replay.isSliced = sliced
    return replay
  }

  private func step(_ replay: StepReplay, batch: Int = 1) throws -> StepReplay.Outcome {
    try #require(replay.run(record, kind: .decode, batch: batch))
  }

  @Test func eachRankReadsItsShareOfEverythingButRouters() throws {
    let one = try step(replay(ranks: 1, sliced: true))
    let spread = try step(replay(ranks: 1, sliced: false))
    #expect(abs(one.seconds / spread.seconds - 1) < 1e-9, "one rank has all of it either way")
    #expect(one.communicating == 0 && one.waiting == 0 && one.bytesBetweenHosts == 0)
    for ranks in [2, 4, 8] {
      let sliced = try step(replay(ranks: ranks, sliced: true))
      for part in [\StepReplay.Outcome.attention, \.dense, \.shared, \.experts, \.head] {
        #expect(abs(sliced[keyPath: part] * Double(ranks) / one[keyPath: part] - 1) < 1e-9)
      }
      #expect(sliced.gate == one.gate && sliced.waiting < 1e-12)
      let sum = sliced.phases.reduce(0) { $0 + $1.seconds }
      #expect(abs(sum / sliced.computing - 1) < 1e-9)
      #expect(abs((sum + sliced.communicating + sliced.waiting) / sliced.seconds - 1) < 1e-9)
      #expect(try sliced.seconds < step(replay(ranks: ranks, sliced: false)).seconds)
    }
    // Sixteen heads on three ranks: one has six, and the others wait.
    #expect(try step(replay(ranks: 3, sliced: true)).waiting > 0)
  }

  @Test func bytesAreThoseOfTheExchanges() throws {
    let bytes = 4096.0 * (1 + 4 + 4 + 2 + 1 + 3 * 1.5 + 3 + 8)
    for (ranks, batch) in [(2, 1), (4, 1), (4, 8)] {
      let outcome = try step(replay(ranks: ranks, sliced: true), batch: batch)
      let header = 64.0 * 18 * Double(ranks * (ranks - 1))
      #expect(abs(outcome.bytesBetweenHosts - Double(batch * (ranks - 1)) * bytes - header) < 1)
      #expect(abs(outcome.neededBetweenHosts - Double(batch * (ranks - 1)) * bytes) < 1)
    }
    // Hosts of as many ranks get each piece once; others for each of their ranks.
    let shared = try step(replay(ranks: 4, perHost: 2, sliced: true))
    #expect(abs(shared.neededBetweenHosts - bytes) < 1)
    #expect(abs(shared.bytesBetweenHosts - bytes - 64 * 18 * 4) < 1)
    let uneven = try step(replay(ranks: 3, perHost: 2, sliced: true))
    #expect(abs(uneven.neededBetweenHosts - bytes) < 1 && uneven.bytesBetweenHosts > 1.3 * bytes)
    #expect(try step(replay(ranks: 4, perHost: 4, sliced: true)).bytesBetweenHosts == 0)
  }

  @Test func messagesTakeTheLatencyOfEveryExchange() throws {
    let (slow, fast) = (
      try step(replay(ranks: 4, sliced: true)), try step(replay(ranks: 4, sliced: true, network: "hdr"))
    )
    // 18 exchanges, of three messages each, a quarter of the latency for each further one.
    #expect(slow.communicating > 18 * 30e-6 && fast.communicating < slow.communicating / 4)
    // In two stages sixteen ranks wait less than for fifteen messages.
    let many = try step(replay(ranks: 16, sliced: true))
    #expect(many.communicating < 18 * (20e-6 + 14 * 5e-6) && many.communicating > 18 * 2 * (20e-6 + 2 * 5e-6))
    let more = try step(replay(ranks: 4, sliced: true) { $0.exchanges[2].count += 10 })
    #expect(more.communicating - slow.communicating > 10 * 30e-6)
  }

  /// Eight hosts of two ranks: four messages of one rank instead of seven.
  @Test func ranksOfAHostShareOutMessages() throws {
    let (one, two, eight) = (
      try step(replay(ranks: 8, sliced: true)), try step(replay(ranks: 16, perHost: 2, sliced: true)),
      try step(replay(ranks: 64, perHost: 8, sliced: true))
    )
    /// Without what plans and outcomes of so many ranks take.
    func exchanges(_ outcome: StepReplay.Outcome, _ ranks: Int) -> Double {
      outcome.communicating - 2 * (20e-6 + 1024 * 8 / 23e9) - 5e-6 * Double(ranks - 1)
    }
    #expect(exchanges(one, 8) > 18 * (20e-6 + 6 * 5e-6))
    #expect(exchanges(two, 16) < 18 * (20e-6 + 3 * 5e-6 + 5e-6) && exchanges(two, 16) > 18 * (20e-6 + 3 * 5e-6))
    #expect(exchanges(eight, 64) < 18 * (20e-6 + 7e-6) && exchanges(eight, 64) > 18 * 20e-6)
    // Each piece goes to each other host once, however many ranks there are.
    #expect(abs(two.neededBetweenHosts - one.neededBetweenHosts) < 1)
    #expect(abs(two.bytesBetweenHosts - one.bytesBetweenHosts) < 1)
  }

  /// Ranks of one host read a router once between them, and tell each other its logits.
  @Test func routersAreSharedOutWithinAHost() throws {
    func outcome(_ ranks: Int, _ perHost: Int, told: Bool = true) throws -> StepReplay.Outcome {
      try step(
        replay(ranks: ranks, perHost: perHost, sliced: true) {
          if told { $0.exchanges.append(RowExchange(.router, count: 3, [.init(columns: 16)])) }
        })
    }
    let alone = try outcome(2, 1)
    #expect(try alone.gate == outcome(4, 1).gate && alone.communicating == outcome(2, 1, told: false).communicating)
    let shared = try outcome(4, 2)
    #expect(abs(shared.gate * 2 / alone.gate - 1) < 1e-9)
    #expect(try shared.communicating > outcome(4, 2, told: false).communicating)
    #expect(try shared.bytesBetweenHosts == outcome(4, 2, told: false).bytesBetweenHosts)
  }

  /// What follows an exchange is read while messages travel: as much as they take, and as caches hold.
  @Test func weightsAreReadAheadOfExchanges() throws {
    let plain = try replay(ranks: 4, sliced: true) {
      ($0.attentionEntry, $0.attentionOutput) = (2_000_000, 2_000_000)
    }
    let base = try step(plain)
    func outcome(room: Double, cost: Double, cores: [Int]? = nil, sliced: Bool = true) throws -> StepReplay.Outcome {
      var replay = plain
      (replay.compute.ahead, replay.coresOfRank, replay.isSliced) = (.init(room: room, cost: cost), cores, sliced)
      return try step(replay)
    }
    let some = try outcome(room: 1, cost: 0.25)
    #expect(some.seconds < base.seconds && some.communicating == base.communicating)
    let sum = some.phases.reduce(0) { $0 + $1.seconds }
    #expect(abs((sum + some.communicating + some.waiting) / some.seconds - 1) < 1e-9)
    // A gigabyte a second: no exchange takes as long as what follows it, so that three quarters of all are saved.
    let windows = 4 * 2 + 1 * 2 + 3 * 2
    let ahead = base.seconds - some.seconds
    #expect(ahead > Double(windows) * 0.75 * 30e-6 && ahead <= 0.75 * base.communicating)
    // Of nothing that the step takes otherwise is more saved than its weights' reading.
    let all = try outcome(room: 1, cost: 0)
    for part in [\StepReplay.Outcome.attention, \.dense, \.shared, \.experts, \.gate] {
      #expect(all[keyPath: part] >= 0 && all[keyPath: part] <= some[keyPath: part])
    }
    #expect(all.head == base.head && all.copies == base.copies)
    // Caches without room, weights that are as slow from there, ranks that share cores, and ranks that share nothing.
    #expect(try outcome(room: 0, cost: 0).seconds == base.seconds)
    #expect(try outcome(room: 1, cost: 1).seconds == base.seconds)
    let crowded = try outcome(room: 1, cost: 0, cores: [0, 1, 2, 3])
    #expect(crowded.attention == base.attention)
    var spread = plain
    spread.isSliced = false
    #expect(try outcome(room: 1, cost: 0, sliced: false).seconds == step(spread).seconds)
    #expect(try outcome(room: 10e-6, cost: 0).seconds > all.seconds)
  }

  @Test func arithmeticIsNotSavedByReadingAhead() {
    let roof = Roofline(perMemory: 4, perArithmetic: 1)
    let ahead = ComputeModel.Ahead(room: 100, cost: 0.25)
    #expect(roof.saved(memory: 1, arithmetic: 0, window: 100, ahead) == 3)
    #expect(roof.saved(memory: 1, arithmetic: 2, window: 100, ahead) == 2)
    #expect(roof.saved(memory: 1, arithmetic: 8, window: 100, ahead) == 0)
    #expect(roof.saved(memory: 1, arithmetic: 0, window: 2, ahead) == 1.5)
    #expect(roof.saved(memory: 0.5, arithmetic: 0, window: 100, ahead) == 1.5)
  }

  @Test func expertsThatStayWholeWaitForTheBusiestRank() throws {
    var replay = try replay(ranks: 4, sliced: true)
    let divided = try step(replay)
    replay.dividesExperts = false
    let whole = try step(replay)
    // Two experts of a token on four ranks: some read none, one at least reads twice its share.
    #expect(abs(whole.experts / divided.experts - 1) < 1e-9 && whole.waiting > divided.waiting)
    #expect(whole.busiest.visits >= 2 && divided.busiest.visits == 1)
  }

  @Test func draftsAreRowsOfOneHome() throws {
    let drafts = try #require(Drafts(acceptance: [0.8], draftTokens: 3, predicts: true))
    #expect(drafts.rowsPerSequence == 4 && abs(drafts.tokensPerStep - (1 + 0.8 + 0.64 + 0.512)) < 1e-12)
    let measured = try #require(Drafts(acceptance: [0.9, 0.45], draftTokens: 3, predicts: false))
    #expect(abs(measured.tokensPerStep - (1 + 0.9 + 0.45 + 0.225)) < 1e-12)
    #expect(try #require(Drafts(acceptance: [0.9, 0.45], draftTokens: 1, predicts: true)).tokensPerStep == 1.9)
    #expect(Drafts(acceptance: [], draftTokens: 3, predicts: true) == nil)
    #expect(Drafts(acceptance: [0.5, 0.6], draftTokens: 3, predicts: true) == nil)
    // Ten steps drafted, two of them twice: what is right at the second place is a share of all ten.
    var statistics = SpeculationStatistics()
    #expect(statistics.reachByPlace == [])
    for (drafts, right) in [(2, 2), (2, 2), (1, 1), (1, 1), (1, 1), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)] {
      statistics.count(drafts: drafts, right: right)
    }
    #expect(statistics.drafted == [10, 2] && statistics.accepted == [5, 2] && statistics.reachByPlace == [0.5, 0.2])
    let counted = try #require(Drafts(acceptance: statistics.reachByPlace, draftTokens: 2, predicts: true))
    #expect(abs(counted.tokensPerStep - (try #require(statistics.runLength))) < 1e-12)
    var replay = try replay(ranks: 4, sliced: false)
    let alone = try step(replay)
    replay.rowsPerSequence = 2
    let drafted = try step(replay, batch: 2)
    // Its home reads attention once for both rows; two homes would take as long, and the mean rank twice as much.
    #expect(abs(drafted.attention / alone.attention - 1) < 1e-9 && drafted.experts > alone.experts)
    replay.rowsPerSequence = 1
    #expect(abs(try step(replay, batch: 2).attention / alone.attention - 2) < 1e-9)
  }

  @Test func aModuleIsALayerAProjectionAndTheHeadOnceMore() throws {
    let plain = work
    let predicting = plain.predicting(true)
    #expect(predicting.layers == 5 && predicting.moeLayers == 4 && predicting.modules == 1)
    #expect(predicting.predicting(false) == plain && predicting.isOfSameModel(as: plain))
    var other = plain
    other.attention += 1
    #expect(!other.isOfSameModel(as: plain))
    for sliced in [false, true] {
      let without = try step(replay(ranks: 2, sliced: sliced))
      let with = try step(replay(ranks: 2, sliced: sliced) { $0 = $0.predicting(true) })
      // Two matrices of 1024 x 1024 beside the head.
      let head = (2 * 8_000_000 + 2 * 1024 * 1024) / 8_000_000.0
      #expect(abs(with.head / without.head - head) < 1e-6)
      #expect(abs(with.attention / without.attention - 1.25) < 1e-9 && with.communicating > without.communicating)
      // Three that draft together are three layers, and one head.
      let together = try step(
        replay(ranks: 2, sliced: sliced) {
          $0 = $0.predicting(true)
          ($0.layers, $0.moeLayers, $0.modules, $0.moduleInput) = (7, 6, 3, 3 * 1024 * 1024)
        })
      let shared = (2 * 8_000_000 + 3 * 1024 * 1024) / 8_000_000.0
      #expect(abs(together.head / without.head - shared) < 1e-6)
      #expect(abs(together.attention / without.attention - 1.75) < 1e-9)
    }
  }

  @Test func unevenChoicesFollowTheExponent() {
    func most(_ skew: Double) -> Double {
      let record = RoutingRecord.even(expertCount: 64, topK: 4, groups: nil, layers: 2, rows: 2000, skew: skew)
      #expect(record.rows.count == 4000)
      let loads = record.loads(tokensPerStep: 32)
      #expect(loads.visits.allSatisfy { $0.reduce(0, +) == 4000 * 4 })
      // Another expert in each layer.
      if skew > 0 {
        #expect(
          loads.visits[0].firstIndex(of: loads.visits[0].max()!)
            != loads.visits[1].firstIndex(of: loads.visits[1].max()!))
      }
      return loads.visits[0].max()! / (4000 * 4 / 64)
    }
    let (even, some, much) = (most(0), most(0.5), most(1))
    #expect(even < 1.3 && some > 1.5 && much > 2 * some)
  }
}
