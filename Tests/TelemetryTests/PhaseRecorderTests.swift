import Testing

@testable import Telemetry

struct PhaseRecorderTests {
  private let recorder = PhaseRecorder(layerCount: 2, rankCount: 3)

  private func step(_ kind: StepKind = .decode) -> StepTime {
    recorder.beginStep()
    recorder.enter(.embedding)
    for layer in 0..<2 {
      recorder.enter(.attention, layer: layer)
      recorder.enter(.dispatch, layer: layer)
      recorder.enter(.experts, layer: layer)
    }
    recorder.enter(.head)
    return recorder.endStep(kind)
  }

  @Test func phasesAddUpToTheStepExactly() {
    for _ in 0..<100 { _ = step() }
    let totals = recorder.totals[StepKind.decode.rawValue]
    #expect(totals.steps == 100)
    #expect(totals.wall > 0)
    #expect(totals.time.reduce(0, +) == totals.wall)
    #expect(Phase.allCases.reduce(0) { $0 + totals.total($1) } == totals.wall)
  }

  @Test func aStepsTimeSaysWhatOfItWasCommunication() {
    recorder.beginStep(at: Timestamp.now() - 1_000_000)
    recorder.enter(.experts, layer: 0)
    let time = recorder.endStep(.prefill)
    // The millisecond before was the plan's.
    #expect(time.communication >= 1_000_000)
    #expect(time.wall >= time.communication)
    #expect(recorder.totals[StepKind.prefill.rawValue].total(.plan) == time.communication)
    #expect(recorder.totals[StepKind.decode.rawValue].steps == 0)
  }

  @Test func waitingForALateRankIsToldApartAndCountedOnce() {
    recorder.beginStep(at: Timestamp.now() - 1000)
    recorder.enter(.dispatch, layer: 1)
    recorder.blame(2, nanoseconds: 700, .dispatch, layer: 1)
    recorder.blame(9, nanoseconds: 1, .combine, layer: 1)
    recorder.endStep(.decode)
    let totals = recorder.totals[StepKind.decode.rawValue]
    #expect(totals.lateByRank == [0, 0, 700])
    #expect(totals.totalLate(.dispatch) == 700)
  }

  @Test func nothingIsCountedOutsideOfStepsOrWhileSwitchedOff() {
    recorder.enter(.experts, layer: 0)
    recorder.blame(0, nanoseconds: 5, .dispatch)
    recorder.isEnabled = false
    let time = step()
    #expect(time.wall == 0)
    #expect(recorder.totals.allSatisfy { $0.steps == 0 && $0.wall == 0 && $0.time.allSatisfy { $0 == 0 } })
  }

  @Test func theLatestSpansAreKeptInTheOrderOfTime() {
    recorder.keepSpans(10)
    for _ in 0..<3 { _ = step() }
    let spans = recorder.keptSpans
    #expect(spans.count == 10)
    #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.start <= $1.start })
    // A step has ten: nine phases, and its end.
    #expect(Set(spans.map(\.step)) == [3])
    #expect(spans.first?.phase == UInt8(Phase.plan.rawValue))
    #expect(spans.last?.phase == UInt8(Phase.count))
    #expect(spans.map(\.layer) == [-1, -1, 0, 0, 0, 1, 1, 1, -1, -1])
  }
}
