import Telemetry
import Testing

@testable import Supervision

@Suite struct StartJudgeTests {
  private func report(_ rank: Int, _ stage: StartReport.Stage, _ bytes: Int = 0, of all: Int = 1000) -> StartReport {
    StartReport(rank: rank, host: "n\(rank)", rankCount: 3, stage: stage, bytes: bytes, allBytes: all)
  }

  private func verdict(_ reports: [StartReport]) -> String? {
    var judge = StartJudge(limit: 100, at: 0)
    for report in reports { judge.add(report, at: 1) }
    #expect(judge.verdict(at: 99) == nil)
    return judge.verdict(at: 102)
  }

  @Test func whatIsMissingIsNamed() {
    #expect(
      verdict([])
        == "the job did not start: nothing has been heard of any rank for 102 s: the launcher has started none")
    #expect(
      verdict([report(0, .started)])
        == "the job did not start: ranks 1 and 2 of 3 have not come up in 101 s, only rank 0 on host n0")
    #expect(
      verdict([report(0, .started), report(2, .started)])
        == "the job did not start: rank 1 of 3 has not come up in 101 s, only ranks 0 on host n0 and 2 on host n2")
    let started = (0..<3).map { report($0, .started) }
    #expect(verdict(started)?.contains("cannot connect with the other ranks") == true)
    #expect(
      verdict([report(0, .loaded), report(1, .loading, 400), report(2, .loaded)])
        == "the job did not start: rank 1 on host n1 (40 %) has read nothing more of the model for 101 s")
    #expect(verdict((0..<3).map { report($0, .loaded) })?.contains("rank 0 has not been ready") == true)
  }

  @Test func aStartThatMovesMayTakeAsLongAsItLikes() {
    var judge = StartJudge(limit: 100, at: 0)
    for time in stride(from: 50.0, to: 5000, by: 50) {
      judge.add(report(1, .loading, Int(time)), at: time)
      #expect(judge.verdict(at: time + 49) == nil)
    }
    for time in stride(from: 5000.0, to: 6000, by: 50) {
      judge.addState(loadedBytes: Int(time), at: time)
      #expect(judge.verdict(at: time + 49) == nil)
    }
    // The same again is no move.
    judge.add(report(1, .loading, 10), at: 6040)
    judge.addState(loadedBytes: 10, at: 6040)
    #expect(judge.verdict(at: 6051) != nil)
    judge.forgive(60)
    #expect(judge.verdict(at: 6051) == nil)
  }

  @Test func aPersonIsToldOnceWhatIsWaitedFor() {
    var judge = StartJudge(limit: 100, at: 0)
    judge.add(report(0, .started), at: 1)
    #expect(judge.remark(at: 10) == nil)
    #expect(judge.remark(at: 12)?.contains("ranks 1 and 2 of 3") == true)
    #expect(judge.remark(at: 40) == nil)
    judge.add(report(1, .started), at: 50)
    #expect(judge.remark(at: 61)?.contains("rank 2 of 3") == true)
  }

  @Test func whoAsksIsToldWhatIsWaitedForAsOftenAsItIsAsked() {
    var judge = StartJudge(limit: 100, at: 0)
    #expect(judge.trouble(at: 4) == nil)
    #expect(
      judge.trouble(at: 6) == "nothing has been heard of any rank for 6 s: the launcher has started none")
    judge.add(report(0, .started), at: 7)
    #expect(judge.trouble(at: 11) == nil)
    for time in [13.0, 14] {
      #expect(
        judge.trouble(at: time) == "ranks 1 and 2 of 3 have not come up in \(Int(time) - 7) s, only rank 0 on host n0")
    }
  }

  @Test func reportsSurviveTheirLineAndDamagedOnesAreNone() {
    let all = [report(2, .loading, 7, of: 9), report(0, .started)]
    for report in all { #expect(StartReport(line: report.line) == report) }
    for line in [
      "martinet: start", "martinet: start {}",
      #"martinet: start {"rank":3,"host":"n","ranks":3,"stage":"started","bytes":0,"of":0}"#,
      #"martinet: start {"rank":-1,"host":"n","ranks":3,"stage":"started","bytes":0,"of":0}"#,
      #"martinet: start {"rank":0,"host":"n","ranks":99999999999999,"stage":"started","bytes":0,"of":0}"#,
      #"martinet: start {"rank":0,"host":"n","ranks":1,"stage":"asleep","bytes":0,"of":0}"#,
    ] { #expect(StartReport(line: line) == nil, "\(line)") }
  }
}
