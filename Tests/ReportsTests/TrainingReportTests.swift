import JSON
import Telemetry
import Testing

@testable import Reports

/// A training's page and trace, of made-up numbers.
struct TrainingReportTests {
  /// Two ranks, one step: 60 ms forward, 40 ms update, of which 10 ms waiting in the first.
  private func report() -> TrainingReport {
    var subject = RunSubject()
    (subject.model, subject.layerCount, subject.expertCount) = ("</script><b>&", 1, 2)
    var report = TrainingReport(
      subject: subject, stepCount: 10, history: TrainingHistory(layers: [0], expertCount: 2))
    report.history.add(step: 1, Array(repeating: 0.5, count: TrainingMetric.count), loads: [0: [3, 5]])
    report.phases = [.init(name: "forward", isOfStep: true), .init(name: "update", isOfStep: true)]
    report.phases.append(.init(name: "checkpoint", isOfStep: false))
    var sent = Traffic()
    sent.countDispatch(rows: 4, rowBytes: 100, messageBytes: 450)
    sent.countCombine(tokens: 4, rows: 5, rowBytes: 100, messageBytes: 520)
    report.passes = (0..<2).map { rank in
      var account = decodeAccount(rank: rank, ranks: 2, milliseconds: [.experts: 30], sent: sent)
      account.kinds[StepKind.prefill.rawValue] = account.kinds[StepKind.decode.rawValue]
      account.kinds[StepKind.decode.rawValue].sent = [Traffic(), Traffic()]
      account.reduction.countSums(bytes: 150)
      let recorder = PhaseRecorder(layerCount: 1, rankCount: 2)
      recorder.keepSpans(10)
      recorder.beginStep(at: 1000)
      recorder.enter(.embedding, layer: PhaseRecorder.outside, at: 1000)
      recorder.enter(.experts, layer: 0, at: 3000)
      recorder.endStep(.prefill, at: 9000)
      account.spans = recorder.keptSpans
      return account
    }
    report.ranks = (0..<2).map { _ in
      TrainingReport.Rank(
        steps: 1, wall: 1e8, time: [6e7, 4e7, 3e7], waiting: [1e7, 0, 0],
        spans: [(1000, 0), (9000, 1), (12000, 3)])
    }
    report.leastSumBytes = 200
    return report
  }

  @Test func bytesStandBesideTheLeastPossible() {
    let traffic = report().traffic
    #expect(traffic.map(\.bytes) == [1940, 0, 300, 0] && traffic.map(\.least) == [1600, 0, 200, 0])
  }

  @Test func theSummarySaysWhereTheTimeWent() {
    #expect(
      report().summary == [
        "1 step of 100.00 ms: forward 50.0 %, update 40.0 %",
        "communication: 10.0 % of a step (packing, and waiting for other ranks)",
        "sent: 2240 B a step (1.24 × the least possible): tokens to experts and back 1940 B, sums of gradients 300 B",
      ])
  }

  @Test func thePageNeedsNothingElseAndNothingInItEndsItsNumbers() throws {
    let page = report().page
    #expect(!page.contains("src=") && !page.contains("<link") && !page.contains("http://127"))
    // A frame, the numbers, the scripts: no other element of the kind was opened or ended.
    #expect(page.split(separator: "<script", omittingEmptySubsequences: false).count == 3)
    #expect(page.split(separator: "</script>", omittingEmptySubsequences: false).count == 3)
    #expect(!page.contains("<b>&"))
    #expect(page.contains("<title>Training &lt;/script&gt;&lt;b&gt;&amp; – Martinet</title>"))
    let start = try #require(page.firstRange(of: "id=\"report\">")).upperBound
    let end = try #require(page[start...].firstRange(of: "</script>")).lowerBound
    let json = try JSONValue(parsing: Array(page[start..<end].utf8))
    #expect(json == report().json && json["model"]?["name"]?.string == "</script><b>&")
  }

  @Test func theJSONHasEveryRanksPhasesAndPasses() throws {
    let json = report().json
    #expect(json["schema"]?.string == "martinet-training-report" && json["version"]?.exactInt == 1)
    let ranks = try #require(json["ranks"]?.array)
    #expect(ranks.count == 2 && ranks[1]["rank"]?.exactInt == 1)
    #expect(ranks[0]["phase_seconds"]?["forward"]?.double == 0.06)
    #expect(ranks[0]["waiting_seconds"]?["forward"]?.double == 0.01)
    #expect(ranks[0]["forward"]?["steps"]?.exactInt == 1 && ranks[0]["backward"] != nil && ranks[0]["prefill"] == nil)
    #expect(ranks[0]["spans"] == nil)
    var failed = report()
    failed.failure = "a loss"
    #expect(failed.json["failure"]?.string == "a loss")
  }

  @Test func theTraceNestsThePassesInTheSteps() throws {
    let events = try #require(report().trace["traceEvents"]?.array)
    let spans = events.filter { $0["ph"]?.string == "X" && $0["pid"]?.exactInt == 0 }
    #expect(
      spans.map { $0["name"]?.string } == ["forward", "update", "forward plan", "forward embedding", "forward experts"])
    #expect(spans.map { $0["ts"]?.double } == [0, 8, 0, 0, 2])
    #expect(spans.map { $0["dur"]?.double } == [8, 3, 0, 2, 6])
  }

  @Test func aTrainingWithoutStepsHasAPage() {
    let empty = TrainingReport(
      subject: RunSubject(), stepCount: 1, history: TrainingHistory(layers: [], expertCount: 0))
    #expect(empty.summary.isEmpty && empty.page.contains("martinet-training-report"))
    #expect(empty.trace["traceEvents"]?.array?.isEmpty == true)
  }
}
