import Telemetry
import Testing

@testable import Supervision

@Suite struct StallJudgeTests {
  private func report(
    _ rank: Int, _ seconds: Double, phase: String = "dispatch", waitingFor: [Int], step: Double = 12
  ) -> StallReport {
    StallReport(
      rank: rank, host: "n\(rank)", layer: 3, phase: phase, seconds: seconds, stepSeconds: step, waitingFor: waitingFor)
  }

  private func verdict(_ reports: [StallReport], after seconds: Double = 2.5) -> String? {
    var judge = StallJudge(limit: 10)
    for report in reports { judge.add(report, at: 100) }
    #expect(judge.verdict(at: 101, hosts: [:]) == nil, "others may have something to say")
    return judge.verdict(at: 100 + seconds, hosts: [2: "n2"])
  }

  @Test func theSilentRankThatOthersWaitForIsNamed() {
    #expect(
      verdict([report(0, 11, waitingFor: [2]), report(1, 12, waitingFor: [2])])
        == "rank 2 on host n2 does not answer: ranks 0 and 1 have waited for it 12 s in layer 3, dispatch")
  }

  @Test func whoWaitsForAWaitingRankIsNotMisled() {
    #expect(
      verdict([report(0, 11, waitingFor: [1]), report(1, 12, waitingFor: [2])])
        == "rank 2 on host n2 does not answer: rank 1 has waited for it 12 s in layer 3, dispatch")
  }

  @Test func aRankThatComputesForEverIsNamed() {
    let text = verdict([report(0, 11, waitingFor: [1]), report(1, 31, phase: "experts", waitingFor: [])])
    #expect(text == "rank 1 on host n1 has been in layer 3, experts for 31 s without waiting for any other")
  }

  @Test func ranksThatWaitForEachOtherAreNamed() {
    #expect(
      verdict([report(0, 11, waitingFor: [1]), report(1, 12, waitingFor: [0])])?.contains("wait for each other") == true
    )
  }

  @Test func aRankThatComputesForLongIsGivenTime() {
    #expect(verdict([report(0, 25, waitingFor: [1]), report(1, 25, phase: "experts", waitingFor: [])]) == nil)
  }

  /// It is slow, and everybody waits; but it moves.
  @Test func aRankThatMovesIsNotAccused() {
    #expect(verdict([report(0, 11, waitingFor: [1]), report(1, 2, phase: "experts", waitingFor: [])]) == nil)
  }

  @Test func longStepsInWhichAllMoveAreNoStalls() {
    #expect(verdict([report(0, 3, waitingFor: [1]), report(1, 2, waitingFor: [])]) == nil)
    #expect(verdict([]) == nil)
  }

  /// Reports of long ago say nothing: that step has ended.
  @Test func oldReportsAreForgotten() {
    #expect(verdict([report(0, 11, waitingFor: [2])], after: 30) == nil)
  }

  @Test func linesThatOnlyLookLikeReportsAreNone() {
    let good = report(1, 10, waitingFor: [2, 3])
    #expect(StallReport(line: good.line) == good)
    for line in [
      "", "martinet: stall", "martinet: stall {", "martinet: stall {}", "martinet: stall [1]",
      good.line.replacing("\"rank\":1", with: "\"rank\":-1"), good.line.replacing("10.0", with: "1e999"),
      good.line.replacing("10.0", with: "1e300"),
      good.line.replacing("[2,3]", with: "[2,\"3\"]"),
    ] { #expect(StallReport(line: line) == nil, "\(line)") }
  }
}
