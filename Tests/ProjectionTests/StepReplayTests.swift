import ExpertParallelism
import JSON
import Projection
import Reports
import Telemetry
import Testing

@Suite struct StepReplayTests {
  private static let layers = 3

  /// A report of two ranks whose work follows known costs.
  private func report(batch: Int, fixed: Double = 100_000, perExpert: Double = 50_000, perVisit: Double = 20_000)
    -> RunReport
  {
    var subject = RunSubject()
    subject.expertCount = 16
    subject.expertsPerToken = 2
    subject.layerCount = Self.layers
    (subject.rowBytes, subject.sumBytes) = (256, 256)
    var work = ModelWork()
    (work.attention, work.expert, work.head, work.router) = (1000, 500, 4000, 100)
    (work.hiddenSize, work.layers, work.moeLayers) = (64, Self.layers, Self.layers)
    subject.work = work
    let ranks = (0..<2).map { rank in
      var account = RankAccount()
      account.rank = rank
      account.threads = 1
      for kind in StepKind.allCases {
        var counts = RankAccount.Kind()
        let rows = kind == .decode ? batch : 16 * batch
        counts.steps = 1
        counts.time = Array(repeating: Array(repeating: 0, count: Phase.allCases.count), count: Self.layers + 1)
        counts.late = counts.time
        (counts.lateByRank, counts.rowsToHost) = ([0, 0], [0, 0])
        counts.experts = Array(repeating: [[0, 1]], count: Self.layers)
        counts.sent = [Traffic(), Traffic()]
        for layer in 0..<Self.layers {
          let (distinct, visits) = (min(8, rows + layer), rows * 2 + rank)
          counts.distinctExperts.append(distinct)
          counts.visits.append(visits)
          // Few rows wait for the weights, many for arithmetic.
          counts.time[layer][Phase.experts.rawValue] = max(Int(perExpert) * distinct, Int(perVisit) * visits)
          counts.time[layer][Phase.attention.rawValue] = max(Int(fixed), 10_000 * rows)
        }
        account.kinds[kind.rawValue] = counts
      }
      return account
    }
    var report = RunReport(
      subject: subject, account: AccountOfRun(ranks: ranks, balances: StepKind.allCases.map { _ in [] }),
      tokens: [32 * batch, 2 * batch], seconds: [1, 1])
    report.links = [64, 4096, 1 << 16].map {
      LinkSample(link: .otherHosts, messageBytes: $0, seconds: 20e-6 + Double($0) * 1e-8)
    }
    return report
  }

  private let record = RoutingRecord.even(expertCount: 16, topK: 2, groups: nil, layers: 3, rows: 64)

  @Test func costsOfWorkAreFoundAgain() throws {
    for kind in StepKind.allCases { try costsAreFoundAgain(kind) }
  }

  private func costsAreFoundAgain(_ kind: StepKind) throws {
    let model = try ComputeModel([report(batch: 1), report(batch: 6)], of: kind, path: "r")
    #expect(abs(model.experts.perMemory / 50e-6 - 1) < 1e-3 && abs(model.experts.perArithmetic / 20e-6 - 1) < 1e-3)
    #expect(abs(model.attention.perMemory / 100e-6 - 1) < 1e-3 && abs(model.attention.perArithmetic / 10e-6 - 1) < 1e-3)
    #expect(model.expertResidual < 1e-3)
    var half = report(batch: 1).subject.work!
    half.expert *= 2
    half.attention *= 3
    let scaled = model.scaled(to: half)
    #expect(
      abs(scaled.experts.perMemory / model.experts.perMemory - 2) < 1e-9
        && abs(scaled.attention.perMemory / model.attention.perMemory - 3) < 1e-9)
  }

  @Test func oneRankExchangesNothing() throws {
    let reports = [report(batch: 1), report(batch: 6)]
    let projector = try Projector(fitting: reports, validating: [], record: record, path: "r")
    let network = try Network("10gbe", sameHostIn: reports)
    let alone = try #require(
      projector.project(
        Layout(rankCount: 1, ranksPerHost: 1, expertCount: 16), network: network,
        .init(kind: .decode, batch: 4, rowBytes: RowBytes(token: 256, sum: 256))))
    #expect(alone.communicating == 0 && alone.waiting == 0 && alone.bytesBetweenHosts == 0 && alone.computing > 0)
  }

  @Test func moreBandwidthAndSmallerRowsAreFasterAndBytesFollowTheRows() throws {
    let reports = [report(batch: 1), report(batch: 6)]
    let projector = try Projector(fitting: reports, validating: [], record: record, path: "r")
    let layout = Layout(rankCount: 4, ranksPerHost: 1, expertCount: 16)
    func outcome(_ name: String, rowBytes bytes: Int) throws -> StepReplay.Outcome {
      try #require(
        projector.project(
          layout, network: try Network(name, sameHostIn: reports),
          .init(kind: .decode, batch: 32, rowBytes: RowBytes(token: bytes, sum: bytes))))
    }
    let (slow, fast) = (try outcome("1gbe", rowBytes: 1 << 16), try outcome("hdr", rowBytes: 1 << 16))
    let small = try outcome("1gbe", rowBytes: 1 << 14)
    #expect(slow.seconds > fast.seconds && slow.communicating > fast.communicating && small.seconds < slow.seconds)
    #expect(abs(slow.bytesBetweenHosts / small.bytesBetweenHosts - 4) < 1e-9)
    // Two choices of sixteen experts on four ranks: three of four go elsewhere, and hardly two to the same rank.
    #expect((1.2...1.5).contains(slow.bytesBetweenHosts / (2 * 32 * 3 * Double(1 << 16))))
  }

  @Test func ranksOnTheSameCoresTakeTurnsAndUseWhatOthersLeaveIdle() throws {
    let reports = [report(batch: 1), report(batch: 6)]
    // Nothing but work counts.
    let network = try Network("hdr", sameHostIn: reports)
    func outcome(ranks: Int, cores: Int?) throws -> StepReplay.Outcome {
      let projector = try Projector(fitting: reports, validating: [], record: record, sharedCores: cores, path: "r")
      var replay = StepReplay(
        compute: projector.compute[StepKind.prefill.rawValue], network: network,
        layout: Layout(rankCount: ranks, ranksPerHost: 1, expertCount: 16),
        rowBytes: RowBytes(token: 1, sum: 1))
      replay.coresOfRank = cores.map { cores in (0..<ranks).map { $0 % cores } }
      return try #require(replay.run(record, kind: .prefill, batch: 24))
    }
    for ranks in [2, 3, 4] {
      let (own, one, two) = (
        try outcome(ranks: ranks, cores: nil), try outcome(ranks: ranks, cores: 1), try outcome(ranks: ranks, cores: 2)
      )
      // The costs were measured by two ranks: on one core, each had half of it.
      let (all, onOne) = (own.computing * Double(ranks), one.computing * Double(ranks))
      #expect(abs(onOne / all - 0.5) < 1e-9 && abs(two.computing / own.computing - 1) < 1e-9)
      // One core does one thing after another, and waits for messages only.
      #expect(one.seconds >= onOne && one.seconds < 1.05 * onOne)
      #expect(two.seconds >= all / 2 && two.seconds >= own.seconds * 0.999 && two.seconds <= all)
    }
    #expect(try outcome(ranks: 2, cores: 2).seconds == outcome(ranks: 2, cores: nil).seconds)
  }

  @Test func ranksOfOneHostSendNothingOverTheNetwork() throws {
    let reports = [report(batch: 1), report(batch: 6)]
    let projector = try Projector(fitting: reports, validating: [], record: record, path: "r")
    let network = try Network("1gbe", sameHostIn: reports)
    func bytes(_ ranksPerHost: Int) throws -> Double {
      try #require(
        projector.project(
          Layout(rankCount: 4, ranksPerHost: ranksPerHost, expertCount: 16), network: network,
          .init(kind: .decode, batch: 8, rowBytes: RowBytes(token: 256, sum: 256)))
      ).bytesBetweenHosts
    }
    #expect(try bytes(4) == 0)
    #expect(try bytes(2) < bytes(1) && bytes(2) > 0)
  }

  @Test func moreRanksThanExpertsAndTokensAreFine() throws {
    let reports = [report(batch: 1), report(batch: 6)]
    let projector = try Projector(fitting: reports, validating: [], record: record, path: "r")
    let outcome = try #require(
      projector.project(
        Layout(rankCount: 40, ranksPerHost: 3, expertCount: 16), network: try Network("hdr", sameHostIn: reports),
        .init(kind: .decode, batch: 1, rowBytes: RowBytes(token: 256, sum: 256))))
    #expect(outcome.seconds.isFinite && outcome.seconds > 0)
  }

  @Test func aReportWithoutExpertsIsRefused() {
    var dense = report(batch: 1)
    dense.subject.work = nil
    #expect(throws: ProjectionError.self) { try ComputeModel([dense], of: .decode, path: "r") }
    #expect(throws: ProjectionError.self) { try Network("carrier pigeon", sameHostIn: []) }
  }

  /// Each number is one that a report may hold, and their sum is none.
  @Test func aReportWhoseNumbersAddUpToNoneIsRefused() throws {
    let most = 1 << 61
    let changes: [(inout RankAccount.Kind) -> Void] = [
      { for layer in $0.time.indices { $0.time[layer] = Array(repeating: most, count: Phase.count) } },
      { for layer in $0.late.indices { $0.late[layer] = Array(repeating: most, count: Phase.count) } },
      { $0.visits = $0.visits.map { _ in most } },
      { for rank in $0.sent.indices { ($0.sent[rank].dispatchPayload, $0.sent[rank].combinePayload) = (most, most) } },
      // Their bytes.
      { for rank in $0.sent.indices { $0.sent[rank].dispatchRows = 1 << 55 } },
      { $0.rowsToHost = $0.rowsToHost.map { _ in 1 << 55 } },
      { for layer in $0.experts.indices { $0.experts[layer] = [[0, most], [1, most], [2, most], [3, most]] } },
    ]
    for (number, change) in changes.enumerated() {
      var ranks = report(batch: 3).account.ranks
      for rank in ranks.indices {
        for kind in ranks[rank].kinds.indices { change(&ranks[rank].kinds[kind]) }
      }
      // Not the whole report: what it tells of such numbers could not be written.
      var json = try #require(report(batch: 3).json.object)
      json["ranks"] = .array(ranks.map(\.json))
      #expect(throws: MalformedAccount.self, "\(number)") { try RunReport(json: .object(json)) }
    }
    #expect(throws: Never.self) { try RunReport(json: report(batch: 3).json) }
  }

  @Test func reportsReadBackAsTheyWereWritten() throws {
    let written = report(batch: 3)
    let read = try RunReport(json: written.json)
    #expect(
      read.account.ranks == written.account.ranks && read.links == written.links
        && read.subject.work == written.subject.work)
    #expect(read.tokens == written.tokens && read.subject.rowBytes == 256)
    #expect(throws: MalformedAccount.self) { try RunReport(json: ["schema": "other"]) }
  }
}
