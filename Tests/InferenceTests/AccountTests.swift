import EngineAPI
import Fabric
import Foundation
import JSON
import Reports
import Telemetry
import TestSupport
import Testing

@testable import Inference

/// What a run counts of itself.
struct AccountTests {
  /// Runs a golden's prompts on `ranks` ranks; on every rank, `prepare` sees the session before the first step.
  private func account(
    ranks: Int, dawdling: Rank? = nil, for milliseconds: Double = 0,
    prepare: @escaping @Sendable (GenerationSession) -> Void = { _ in }
  ) throws -> (AccountOfRun, LoopStatistics, sent: Int) {
    let golden = try Golden("deepseek_v3")
    let prompts = try (0..<3).map { try golden.prompt($0) }
    let found = try LocalFabric.run(size: ranks) { communicator -> (AccountOfRun, LoopStatistics, Int)? in
      var options = SessionOptions()
      options.threadsPerRank = 1
      let dawdler = DawdlingCommunicator(
        communicator, microseconds: communicator.rank == dawdling ? UInt32(milliseconds * 1000) : 0)
      let session = try GenerationSession(model: golden.folder, options: options, communicator: dawdler) { _ in }
      prepare(session)
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      for prompt in prompts {
        _ = try loop.submit(
          GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: 12, sampling: .init(), stopTokens: [])))
      }
      while loop.hasWork { _ = try loop.step() }
      let account = try loop.collectAccounts()
      let statistics = loop.statistics
      try loop.stop()
      return (account, statistics, session.communicator.bytesSent)
    }
    let (account, statistics, sent) = found.compactMap(\.self)[0]
    return (account, statistics, sent)
  }

  @Test(arguments: [1, 2, 3])
  func phasesAddUpToTheWallTimeOfTheSteps(ranks: Int) throws {
    // Between two clocks a busy machine may do something else: not every time.
    let fault = faultWithPatience(Array(repeating: 1, count: 30)) { _ in
      let (account, statistics, _) = try account(ranks: ranks)
      #expect(account.ranks.map(\.rank) == Array(0..<ranks))
      var fault: String?
      for (kind, totals) in [(StepKind.prefill, statistics.prefill), (.decode, statistics.decode)] {
        let seconds = totals.time / .seconds(1)
        for rank in account.ranks {
          let counted = rank.kinds[kind.rawValue]
          #expect(counted.steps == totals.steps)
          let sum = Phase.allCases.reduce(0) { $0 + counted.total($1) }
          #expect(sum == counted.wall)
          #expect(counted.totalLate <= sum)
          // Against rank 0's own clock around the steps.
          if rank.rank == 0, abs(Double(sum) / 1e9 - seconds) > 0.03 * seconds {
            fault = "\(kind) of rank 0: \(sum) ns of \(seconds) s"
          }
        }
      }
      return fault
    }
    #expect(fault == nil)
  }

  @Test func whatIsSentIsCountedOnceAndNothingLessWouldDo() throws {
    let (account, statistics, _) = try account(ranks: 3)
    let report = RunReport(subject: subject, account: account, tokens: [0, 0], seconds: [0, 0])
    var bytes = 0
    for kind in StepKind.allCases {
      let figures = report.figures(kind)
      bytes += figures.sameHost.bytes
      #expect(figures.otherHosts == Traffic())
      #expect(figures.minimumBetweenHosts == 0)
      #expect(figures.minimumBetweenRanks <= figures.sameHost.payload)
      #expect(figures.minimumBetweenRanks > 0)
    }
    #expect(bytes == statistics.bytesSent)
    // Every token of every MoE layer visits as many experts as the router chooses.
    let visits = account.ranks.reduce(0) { $0 + $1.kinds[StepKind.decode.rawValue].visits.reduce(0, +) }
    let byExpert = account.ranks.reduce(0) { sum, rank in
      sum + rank.kinds[StepKind.decode.rawValue].experts.joined().reduce(0) { $0 + $1[1] }
    }
    #expect(visits == byExpert)
    #expect(visits % statistics.decode.tokens == 0)
  }

  private var subject: RunSubject {
    var subject = RunSubject()
    (subject.rowBytes, subject.sumBytes, subject.hiddenSize, subject.layerCount, subject.expertCount) = (
      64 * 4, 64 * 4, 64, 4, 16
    )
    subject.model = "a <model> & \"more\""
    return subject
  }

  /// A rank that dawdles is named by all that waited for it, and their transfer times do not grow.
  @Test func waitingForALateRankIsItsFaultAlone() throws {
    // Eleven steps, three layers each: more than a busy machine keeps anybody from running.
    let fault = faultWithPatience([25, 25, 100, 600]) { milliseconds in
      let (account, _, _) = try account(ranks: 2, dawdling: Rank(1), for: milliseconds)
      let kinds = account.ranks.map { $0.kinds[StepKind.decode.rawValue] }
      let (waited, other) = (kinds[0].lateByRank[1], kinds[1].lateByRank[0])
      let transfer = kinds[0].total(.dispatch) - kinds[0].totalLate(.dispatch)
      guard Double(waited) > 33 * 0.8e6 * milliseconds else { return "rank 0 waited \(waited) ns for rank 1" }
      guard other < waited / 3 else { return "rank 1 waited \(other) ns for rank 0" }
      return transfer < waited / 3 ? nil : "dispatch took \(transfer) ns beside \(waited) of waiting"
    }
    #expect(fault == nil)
  }

  @Test func accountsCanBeForgottenAndSwitchedOff() throws {
    let golden = try Golden("deepseek_v3")
    try LocalFabric.run(size: 2) { communicator in
      var options = SessionOptions()
      options.threadsPerRank = 1
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else { return try session.follow() }
      let loop = session.makeLoop()
      func run() throws {
        let prompt = try golden.prompt(0)
        _ = try loop.submit(
          GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: 4, sampling: .init(), stopTokens: [])))
        while loop.hasWork { _ = try loop.step() }
      }
      func steps() throws -> [[Int]] { try loop.collectAccounts().ranks.map { $0.kinds.map(\.steps) } }
      try run()
      #expect(try steps() == [[1, 3], [1, 3]])
      try loop.resetAccounts()
      #expect(try steps() == [[0, 0], [0, 0]])
      try loop.keepAccounts(false)
      try run()
      #expect(try steps() == [[0, 0], [0, 0]])
      try loop.keepAccounts(true)
      try run()
      #expect(try steps() == [[1, 3], [1, 3]])
      try loop.stop()
    }
  }

  @Test func aTraceHasATrackForEachRankAndAnArrowForEachMessage() throws {
    let (account, _, _) = try account(ranks: 2) { $0.keepSpans(100_000) }
    let trace = RunReport(subject: subject, account: account, tokens: [0, 0], seconds: [0, 0]).trace
    let events = try #require(trace["traceEvents"]?.array)
    let tracks = Set(events.compactMap { $0["ph"]?.string == "X" ? $0["pid"]?.exactInt : nil })
    #expect(tracks == [0, 1])
    // Spans of a track follow each other and do not overlap.
    for track in tracks {
      var end = 0.0
      for event in events where event["ph"]?.string == "X" && event["pid"]?.exactInt == track {
        let start = try #require(event["ts"]?.double)
        #expect(start >= end - 0.002)
        end = start + (try #require(event["dur"]?.double))
      }
    }
    let dispatches = account.ranks.reduce(0) { $0 + $1.messages.count { !$0.isCombine && $0.rows > 0 } }
    for mark in ["s", "t", "f"] { #expect(events.count { $0["ph"]?.string == mark } == dispatches) }
    #expect(dispatches > 0)
  }

  @Test func aPageIsWholeAndNeedsNothingElse() throws {
    for ranks in [1, 3] {
      let (account, _, _) = try account(ranks: ranks) { $0.keepSpans(1000) }
      let report = RunReport(subject: subject, account: account, tokens: [9, 9], seconds: [1, 1])
      let page = report.page
      #expect(page.contains("a &lt;model&gt; &amp; &quot;more&quot;") && !page.contains("<model>"))
      for outside in ["http", "src=", "href=", "url(", "@import", "nan", "inf"] {
        #expect(!page.lowercased().replacing("min-width", with: "").contains(outside), "\(outside)")
      }
      #expect(page.components(separatedBy: "<svg").count == page.components(separatedBy: "</svg>").count)
      #expect(page.components(separatedBy: "<section").count == page.components(separatedBy: "</section>").count)
      #expect(report.summary.count <= 15)
    }
  }
}

/// A rank that takes its time before it sends its tokens.
private final class DawdlingCommunicator: UncountedCommunicator {
  private let microseconds: UInt32

  init(_ base: any Communicator, microseconds: UInt32) {
    self.microseconds = microseconds
    super.init(base)
  }

  override func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? { nil }

  override func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    // Dispatch messages are awaited before any is sent.
    if microseconds > 0, tag == MessageTag(1) { usleep(microseconds) }
    return try super.startReceive(into: buffer, from: peer, tag: tag)
  }
}
