import Testing

@testable import Telemetry

struct StepProgressTests {
  private let recorder = PhaseRecorder(layerCount: 2, rankCount: 3)

  @Test(arguments: [true, false]) func otherThreadsSeeTheStepUnderWay(isRecorded: Bool) {
    recorder.isEnabled = isRecorded
    #expect(recorder.progress.now == nil)
    for step in 1...3 {
      recorder.beginStep()
      #expect(recorder.progress.now == StepProgress.Place(step: UInt32(step), layer: -1, phase: .plan))
      for phase in Phase.allCases {
        recorder.enter(phase, layer: 1)
        #expect(recorder.progress.now == StepProgress.Place(step: UInt32(step), layer: 1, phase: phase))
      }
      recorder.endStep(.decode)
      #expect(recorder.progress.now == nil)
    }
  }

  @Test func waitsAreOfOneAllOrNobody() {
    let progress = StepProgress()
    #expect(progress.waitsFor == .nobody)
    progress.wait(for: 0)
    #expect(progress.waitsFor == .peer(0))
    progress.wait(for: nil)
    #expect(progress.waitsFor == .all)
    progress.endWait()
    #expect(progress.waitsFor == .nobody)
  }
}
