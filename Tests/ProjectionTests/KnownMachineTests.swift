import Reports
import Telemetry
import Testing

@testable import Projection

/// Reports of two ranks on a machine whose limits are known: what is fitted to some of them must tell the others.
@Suite struct KnownMachineTests {
  private static let moeLayers = 3
  private static let promptLength = 8
  private let record = RoutingRecord.even(expertCount: 16, topK: 2, groups: nil, layers: 3, rows: 128)
  private let rowBytes = RowBytes(token: 256, sum: 256)
  private let links = [64, 4096, 1 << 16].map {
    LinkSample(link: .sharedMemory, messageBytes: $0, seconds: 1e-6 + Double($0) * 1e-10)
  }

  private var work: ModelWork {
    var work = ModelWork()
    (work.attention, work.dense, work.shared, work.expert) = (4_000_000, 8_000_000, 2_000_000, 1_000_000)
    (work.head, work.router, work.hiddenSize) = (8_000_000, 1024, 64)
    (work.layers, work.moeLayers) = (1 + Self.moeLayers, Self.moeLayers)
    work.exchanges = [RowExchange(.attentionOutput, count: 1 + Self.moeLayers, [.init(columns: 64)])]
    return work
  }

  /// Ten rows take as long to compute as their weights to read.
  private var truth: ComputeModel {
    ComputeModel(
      work, bytesPerParameter: 1, machine: .init(readBytesPerSecond: 1e9, operationsPerSecond: 2e10, efficiency: 1),
      rowBytes: rowBytes)
  }

  private var subject: RunSubject {
    var subject = RunSubject()
    (subject.expertCount, subject.expertsPerToken, subject.layerCount) = (16, 2, 1 + Self.moeLayers)
    (subject.rowBytes, subject.sumBytes, subject.hiddenSize) = (rowBytes.token, rowBytes.sum, 64)
    subject.work = work
    return subject
  }

  /// A run of so many sequences, by the book: the first rank is the home of one alone.
  private func report(sequences: Int, isSliced: Bool) throws -> RunReport {
    var accounts = [RankAccount(), RankAccount()]
    var (tokens, seconds): ([Int], [Double]) = ([], [])
    for rank in 0..<2 { (accounts[rank].rank, accounts[rank].threads) = (rank, 1) }
    for kind in StepKind.allCases {
      let rows = kind == .decode ? sequences : sequences * Self.promptLength
      let all = record.rows.indices.filter { record.rows[$0].kind == kind.rawValue }
      let steps = min(24, all.count / rows)
      let layout = Layout(rankCount: 2, ranksPerHost: 2, expertCount: 16)
      var samples = RunReport(subject: subject, account: AccountOfRun(ranks: [], balances: []), tokens: [], seconds: [])
      samples.links = links
      var replay = StepReplay(
        compute: truth, network: try #require(Network(measuredIn: [samples])), layout: layout, rowBytes: rowBytes)
      (replay.isSliced, replay.homeShares) = (isSliced, sequences == 1 ? [1, 0] : nil)
      seconds.append(try #require(replay.run(record, kind: kind, batch: rows)).seconds * Double(steps))
      tokens.append(rows * steps)
      let homes = (0..<rows).map { isSliced || sequences == 1 ? 0 : $0 % 2 }
      let traffic = (0..<steps).map { step in
        (0..<Self.moeLayers).map {
          LayerTraffic(record, layer: $0, rows: all[(step * rows)..<((step + 1) * rows)], homes: homes, layout: layout)
        }
      }
      for rank in 0..<2 {
        let home = Double(homes.count { $0 == rank })
        accounts[rank].kinds[kind.rawValue] = counts(
          rank, steps: steps, rows: isSliced ? Double(rows) : home, isSliced: isSliced, traffic)
      }
    }
    var report = RunReport(
      subject: subject, account: AccountOfRun(ranks: accounts, balances: StepKind.allCases.map { _ in [] }),
      tokens: tokens, seconds: seconds)
    report.links = links
    return report
  }

  private func counts(
    _ rank: Int, steps: Int, rows: Double, isSliced: Bool, _ traffic: [[LayerTraffic]]
  ) -> RankAccount.Kind {
    let (truth, share) = (truth, isSliced ? 0.5 : 1)
    var counts = RankAccount.Kind()
    counts.steps = steps
    counts.time = Array(repeating: Array(repeating: 0, count: Phase.allCases.count), count: work.layers + 1)
    (counts.late, counts.lateByRank) = (counts.time, [0, 0])
    (counts.visits, counts.distinctExperts) = (Array(repeating: 0, count: work.layers), [])
    counts.distinctExperts = counts.visits
    counts.experts = Array(repeating: [], count: work.layers)
    (counts.sent, counts.rowsToHost) = ([Traffic(), Traffic()], [0, 0])
    if !isSliced { counts.rowsToHost[0] = Int(rows) * steps * Self.moeLayers }
    func spend(_ phase: Phase, _ layer: Int, _ seconds: Double) {
      counts.time[layer][phase.rawValue] += Int((seconds * 1e9).rounded())
    }
    /// A rank without rows goes through a phase in a microsecond.
    func spend(_ phase: Phase, _ layer: Int, _ roof: Roofline) {
      spend(
        phase, layer,
        Double(steps) * (rows > 0 ? roof.seconds(memory: share, arithmetic: rows * share) : 1e-6))
    }
    for layer in 0..<work.layers { spend(.attention, layer, truth.attention) }
    spend(.dense, 0, truth.dense)
    spend(.head, work.layers, truth.outside)
    for layer in 0..<Self.moeLayers {
      spend(.shared, 1 + layer, truth.shared)
      spend(.gate, 1 + layer, Double(steps) * (rows > 0 ? truth.gate.seconds(rows) * share : 1e-6))
      spend(.merge, 1 + layer, Double(steps) * (rows > 0 ? truth.merge.seconds(rows) : 1e-6))
      for step in traffic.map({ $0[layer] }) {
        let distinct = isSliced ? step.expertsOfAll : step.experts(of: rank)
        let visits = isSliced ? step.visits.reduce(0, +) : step.visits[rank]
        spend(.experts, 1 + layer, truth.experts.seconds(memory: distinct * share, arithmetic: Double(visits) * share))
        if !isSliced || rank == 0 {
          counts.visits[1 + layer] += visits
          counts.distinctExperts[1 + layer] += Int(distinct)
        }
        guard !isSliced else { continue }
        let (leaves, returns) = (step.dispatched[rank].reduce(0, +), step.returned[rank].reduce(0, +))
        counts.sent[1 - rank].dispatchRows += leaves
        counts.sent[1 - rank].combineRows += returns
        spend(.pack, 1 + layer, truth.pack.seconds(Double(leaves + returns)))
      }
    }
    if isSliced {
      let payload = Int(rows) * steps * work.exchanges.reduce(0) { $0 + $1.count * 64 * 4 / 2 }
      counts.sent[1 - rank].gatherPayload = payload
      spend(.pack, 0, truth.slices.perRow * 2 * Double(payload) / Double(rowBytes.sum))
    }
    return counts
  }

  /// One sequence, of which all but one rank have no rows, and sixteen tell of four and eight, in both layouts.
  @Test func runsThatWereNotFittedAreToldFromFew() throws {
    let layouts = [false, true]
    let fitted = try layouts.flatMap { isSliced in
      try [1, 16].map { try report(sequences: $0, isSliced: isSliced) }
    }
    let others = try layouts.flatMap { isSliced in
      try [4, 8].map { try report(sequences: $0, isSliced: isSliced) }
    }
    let projector = try Projector(fitting: fitted, validating: others, record: record, path: "r")
    #expect(projector.fitted.count == 8 && projector.validated.count == 8)
    for check in projector.fitted + projector.validated {
      #expect(abs(check.error) < 0.03, "\(check)")
    }
    for kind in StepKind.allCases {
      #expect(abs(projector.calibration[kind.rawValue] - 1) < 0.02)
      #expect(abs(projector.slicedCalibration[kind.rawValue] - 1) < 0.02)
    }
    for model in projector.compute + projector.slicedCompute {
      for rows in [1, 4, 10, 64] as [Double] {
        for part in [\ComputeModel.attention, \.dense, \.shared] {
          let (found, known) = (model[keyPath: part].seconds(rows), truth[keyPath: part].seconds(rows))
          #expect(abs(found / known - 1) < 0.02, "\(rows)")
        }
      }
    }
  }

  /// What a phase takes in either layout is told by runs of that layout.
  @Test func eachLayoutIsToldByItsOwnRuns() throws {
    var sliced = try report(sequences: 4, isSliced: true)
    for rank in 0..<2 {
      for kind in StepKind.allCases {
        for layer in 0..<work.layers {
          sliced.account.ranks[rank].kinds[kind.rawValue].time[layer][Phase.attention.rawValue] *= 2
        }
      }
    }
    let reports = [try report(sequences: 4, isSliced: false), sliced]
    let (spread, halves) = (
      try ComputeModel(reports, of: .decode, path: "r"),
      try ComputeModel(reports, of: .decode, isSliced: true, path: "r")
    )
    let expected = truth.attention.seconds(4)
    #expect(abs(spread.attention.seconds(4) / expected - 1) < 0.05)
    #expect(abs(halves.attention.seconds(memory: 0.5, arithmetic: 2) / expected - 1) < 0.05)
    // Of runs of one layout alone, the other's are told by them.
    let alone = try ComputeModel([reports[0]], of: .decode, isSliced: true, path: "r")
    #expect(abs(alone.attention.seconds(4) / expected - 1) < 0.05)
  }

  /// Steps of one row each do not tell what a row costs: no less than it does in the phase where it costs least.
  @Test func nothingIsFreeThatNoRunTells() throws {
    var one = try report(sequences: 1, isSliced: false)
    for rank in 0..<2 { one.account.ranks[rank].kinds[StepKind.prefill.rawValue].steps = 0 }
    let model = try ComputeModel([one], of: .decode, path: "r")
    for part in [\ComputeModel.attention, \.dense, \.shared, \.outside] {
      let roof = model[keyPath: part]
      #expect(abs(roof.seconds(1) / truth[keyPath: part].seconds(1) - 1) < 0.02)
      #expect(roof.perMemory > 0 && roof.perArithmetic > 0 && roof.seconds(4096) > 10 * roof.seconds(1))
    }
  }

  @Test func homesAndDistinctExpertsAreThoseThatTheRunCounted() throws {
    let report = try report(sequences: 1, isSliced: false)
    #expect(report.homeRows(.decode) == [1, 0] && report.homeRows(.prefill) == [Double(Self.promptLength), 0])
    #expect(try #require(report.distinctExperts(.decode)) == 2)
    var uncounted = report
    for rank in 0..<2 { uncounted.account.ranks[rank].kinds[StepKind.decode.rawValue].rowsToHost = [] }
    #expect(uncounted.homeRows(.decode) == [0.5, 0.5])
    var replay = StepReplay(
      compute: truth, network: try Network("hdr", sameHostIn: []),
      layout: Layout(rankCount: 2, ranksPerHost: 1, expertCount: 16), rowBytes: rowBytes)
    let both = try #require(replay.run(record, kind: .decode, batch: 8))
    replay.homeShares = [0, 1]
    let one = try #require(replay.run(record, kind: .decode, batch: 8))
    // Eight rows of one home wait for its weights once, and the other rank waits for them.
    #expect(abs(one.attention * 2 / both.attention - 1) < 1e-9 && one.waiting > both.waiting)
    #expect(abs((one.computing + one.communicating + one.waiting) / one.seconds - 1) < 1e-9)
    // A third of the sequences, and twice as many.
    replay.homeShares = [1.0 / 3, 2.0 / 3]
    let uneven = try #require(replay.run(record, kind: .decode, batch: 24))
    replay.homeShares = nil
    let even = try #require(replay.run(record, kind: .decode, batch: 24))
    // Sixteen rows of one rank compute longer than its weights take to read: it sets the pace.
    #expect(uneven.seconds > even.seconds && uneven.attention > even.attention)
    replay.homeShares = [0, 1]
    // No more experts than there are visits.
    replay.distinctExperts = 100
    let many = try #require(replay.run(record, kind: .decode, batch: 8))
    #expect(abs(many.experts / (8 * truth.experts.perMemory * Double(Self.moeLayers)) - 1) < 1e-9)
    replay.distinctExperts = 4
    let few = try #require(replay.run(record, kind: .decode, batch: 8))
    #expect(few.experts < one.experts && few.attention == one.attention)
  }
}
