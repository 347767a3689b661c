import EngineAPI
import ExpertParallelism
import Fabric
import JSON
import ModelRuntime
import Telemetry
import Testing

@testable import Inference

/// Drafts that were wrong are none of a text's tokens: what is recorded of routing, and what placements are planned
/// from, is that of a run without drafts.
struct RejectedDraftTests {
  struct Setting: Sendable, CustomStringConvertible {
    var model = "deepseek_v3_fp8"
    var mode = SpeculationMode.lookup
    var ranks = 1
    var layout = RankLayout.spread
    var movesExperts = false
    var description: String { "\(model), \(mode), \(ranks) ranks, \(layout)\(movesExperts ? " but for experts" : "")" }
  }

  static let settings = [
    Setting(), Setting(mode: .mtp, ranks: 2), Setting(mode: .auto, ranks: 3),
    Setting(mode: .mtp, ranks: 3, layout: .sliced), Setting(mode: .auto, ranks: 2, layout: .sliced, movesExperts: true),
    Setting(model: "qwen3_moe", ranks: 2), Setting(model: "gpt_oss_mxfp4", ranks: 3, layout: .sliced),
  ]

  private struct Counted {
    /// `sequence position` of each row, and what it chose.
    var rows: [String: [Int32]] = [:]
    var rowCount = 0
    var loads: ExpertLoads
    var status: ClusterStatus
    var speculation: SpeculationStatistics
    /// Visits that experts computed, whoever's they were.
    var computed = 0
    var account: AccountOfRun
  }

  private func count(_ setting: Setting) throws -> Counted {
    let golden = try Golden(setting.model)
    let found = try LocalFabric.run(size: setting.ranks) { communicator -> Counted? in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.layout) = (1, 4096, setting.layout)
      (options.speculation.mode, options.speculation.adapts) = (setting.mode, false)
      options.experts.moves = setting.movesExperts
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      session.recordRouting()
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      for i in 0..<3 {
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (i == 0 ? 0 : 0.8, UInt64(i))
        let part = (0..<Int32(6 + i)).map { (3 + $0 * 29 + Int32(i) * 11) % 200 }
        _ = try loop.submit(
          GenerationRequest(
            prompt: part + part + part, task: .generate(maxNewTokens: 40, sampling: sampling, stopTokens: [])))
      }
      while loop.hasWork { _ = try loop.step() }
      let record = try #require(try loop.collectRouting())
      var counted = Counted(
        loads: try #require(try loop.collectLoads()), status: try loop.status(),
        speculation: loop.statistics.speculation, account: try loop.collectAccounts())
      for (i, row) in record.rows.enumerated() {
        counted.rows["\(row.sequence) \(row.position)"] = Array(
          record.experts[(i * record.choicesPerRow)..<((i + 1) * record.choicesPerRow)])
      }
      counted.rowCount = record.rows.count
      counted.computed = counted.account.ranks.reduce(0) { sum, rank in
        sum + rank.kinds.reduce(0) { $0 + $1.visits.reduce(0, +) }
      }
      try loop.stop()
      return counted
    }
    return try #require(found[0])
  }

  @Test(arguments: settings) func onlyWhatTextsKeepIsRecorded(setting: Setting) throws {
    var plain = setting
    plain.mode = .off
    let (expected, found) = (try count(plain), try count(setting))
    // Texts of random models hardly repeat what could be looked up.
    let isWrong = found.speculation.draftedCount > found.speculation.acceptedCount
    #expect(isWrong || setting.mode == .lookup, "some drafts are wrong")
    #expect(found.rowCount == found.rows.count, "no position twice")
    #expect(found.rows == expected.rows)
    let modelLayers = expected.loads.layers.count
    #expect(Array(found.loads.layers.prefix(modelLayers)) == expected.loads.layers)
    #expect(Array(found.loads.visits.prefix(modelLayers)) == expected.loads.visits)
    #expect(Array(found.status.visits.prefix(modelLayers)) == expected.status.visits)
    // The module reads every row that the model reads.
    for layer in found.loads.visits.dropFirst(modelLayers) {
      #expect(layer.reduce(0, +) == expected.loads.visits[0].reduce(0, +))
    }
    // What was computed for wrong drafts is still somebody's work.
    let kept = found.loads.visits.joined().reduce(0, +)
    #expect(isWrong ? Double(found.computed) > kept : Double(found.computed) == kept)
    let rejected = found.account.ranks.flatMap(\.kinds).flatMap(\.rejected).joined().reduce(0) { $0 + $1[1] }
    #expect(found.computed == Int(kept) + rejected)
  }

  @Test func aReportKeepsWhatWasRejected() throws {
    var account = RankAccount(RankTelemetry(layerCount: 2, expertCount: 4, rankCount: 1))
    func read(_ account: RankAccount) throws -> RankAccount {
      try RankAccount(json: account.json, layerCount: 2, rankCount: 1)
    }
    #expect(try read(account) == account && account.json["decode"]?["rejected_visits"] == nil)
    account.kinds[StepKind.decode.rawValue].experts = [[[0, 3], [2, 5]], []]
    account.kinds[StepKind.decode.rawValue].rejected = [[[2, 4]], []]
    #expect(try read(account) == account)
    let run = AccountOfRun(ranks: [account], balances: [])
    #expect(
      run.visits(layer: 0, expertCount: 4) == [3, 0, 1, 0] && run.visits(layer: 1, expertCount: 4) == [0, 0, 0, 0])
    account.kinds[StepKind.decode.rawValue].rejected = [[[2, 4]]]
    #expect(throws: MalformedAccount.self) { try read(account) }
  }
}
