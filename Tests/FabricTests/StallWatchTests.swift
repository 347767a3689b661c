import Fabric
import Foundation
import Telemetry
import TestSupport
import Testing

/// Ranks as threads, under watch.
@Suite(.timeLimit(.minutes(20)))
struct StallWatchTests {
  private final class Heard: @unchecked Sendable {
    private let lock = NSLock()
    private var reports: [StallReport] = []
    func add(_ report: StallReport) { lock.withLock { reports.append(report) } }
    var all: [StallReport] { lock.withLock { reports } }
  }

  /// Three ranks take a step each; the last one comes to layer 1 when `delay` returns.
  private func step(_ heard: Heard, limit: Duration, delay: @escaping @Sendable (PhaseRecorder) -> Void) throws {
    try LocalFabric.run(size: 3) { communicator in
      let recorder = PhaseRecorder(layerCount: 2, rankCount: 3)
      let watch = try StallWatch(communicator, progress: recorder.progress, limit: limit) { heard.add($0) }
      let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
      defer { byte.deallocate() }
      recorder.beginStep()
      recorder.enter(.experts, layer: 1)
      if communicator.rank.index == 2 { delay(recorder) }
      recorder.enter(.dispatch, layer: 1)
      if communicator.rank.index == 2 {
        for peer in 0..<2 {
          try communicator.wait(
            communicator.startSend(UnsafeRawBufferPointer(byte), to: Rank(peer), tag: MessageTag(0)))
        }
      } else {
        try communicator.wait(communicator.startReceive(into: byte, from: Rank(2), tag: MessageTag(0)))
      }
      recorder.endStep(.decode)
      withExtendedLifetime(watch) {}
    }
  }

  @Test func whoWaitsSaysForWhomAndWhoComputesThatItDoes() throws {
    let heard = Heard()
    @Sendable func isRight(_ report: StallReport) -> Bool {
      report.seconds >= 0.3 && report.layer == 1 && report.phase == (report.rank == 2 ? "experts" : "dispatch")
        && report.waitingFor == (report.rank == 2 ? [] : [2]) && report.stepSeconds >= report.seconds
    }
    try step(heard, limit: .milliseconds(300)) { _ in
      #expect(eventually { Set(heard.all.filter(isRight).map(\.rank)) == [0, 1, 2] }, "\(heard.all)")
    }
    // A rank that the machine held up before it came to wait computed until then; the last one may be held up behind.
    for report in heard.all
    where report.seconds >= 0.3 && report.phase == "dispatch" && report.rank != 2 && !report.waitingFor.isEmpty {
      #expect(isRight(report), "\(report)")
    }
  }

  @Test func aRankThatMovesInALongStepSaysSo() throws {
    let heard = Heard()
    try step(heard, limit: .milliseconds(400)) { recorder in
      var isGate = false
      let isTold = eventually {
        isGate.toggle()
        recorder.enter(isGate ? .gate : .experts, layer: 1)
        Thread.sleep(forTimeInterval: 0.05)
        // On a crowded machine a place may take as long as the limit: such a report is right too.
        return heard.all.contains { $0.rank == 2 && $0.seconds < 0.4 && $0.stepSeconds >= 0.4 }
      }
      #expect(isTold, "\(heard.all)")
    }
    #expect(heard.all.allSatisfy { $0.stepSeconds >= 0.4 }, "\(heard.all)")
  }

  @Test func aWaitBetweenStepsIsToldUnlessItMayTakeHours() throws {
    let heard = Heard()
    try LocalFabric.run(size: 2) { communicator in
      let recorder = PhaseRecorder(layerCount: 2, rankCount: 2)
      let watch = try StallWatch(communicator, progress: recorder.progress, limit: .milliseconds(200)) { heard.add($0) }
      for isPatient in [true, false] {
        if communicator.isRoot {
          if isPatient { Thread.sleep(forTimeInterval: 0.6) } else { #expect(eventually { !heard.all.isEmpty }) }
        }
        if isPatient { #expect(heard.all.isEmpty) }
        communicator.sleepsWhileWaiting = isPatient && !communicator.isRoot
        var bytes: [UInt8] = [1]
        try communicator.broadcast(&bytes, from: Rank(0))
      }
      withExtendedLifetime(watch) {}
    }
    #expect(!heard.all.isEmpty)
    for report in heard.all {
      #expect(report.rank == 1 && report.waitingFor == [0] && report.place == "messages between steps", "\(report)")
    }
  }

  /// What a server's readiness follows.
  @Test func aRankThatGoesOnSaysThatItDoes() throws {
    let heard = Heard()
    let over = Heard()
    try LocalFabric.run(size: 1) { communicator in
      let recorder = PhaseRecorder(layerCount: 2, rankCount: 1)
      let watch = try StallWatch(
        communicator, progress: recorder.progress, limit: .milliseconds(200), tell: { _ in },
        onStall: { report in
          if let report { heard.add(report) } else if let last = heard.all.last { over.add(last) }
        })
      // Where the machine held it up before the first layer, that was told and is over, too.
      func layersOver() -> [Int] { over.all.map(\.layer).filter { $0 >= 0 } }
      recorder.beginStep()
      for layer in 0..<2 {
        recorder.enter(.experts, layer: layer)
        #expect(eventually { heard.all.count { $0.layer == layer } > 1 && layersOver() == Array(0..<layer) })
      }
      recorder.endStep(.decode)
      #expect(eventually { layersOver() == [0, 1] }, "\(over.all)")
      withExtendedLifetime(watch) {}
    }
    #expect(heard.all.allSatisfy { $0.seconds >= 0.2 && $0.waitingFor.isEmpty } && heard.all.count > 2, "\(heard.all)")
  }

  @Test func shortStepsAndIdlenessAreNobodysBusiness() throws {
    let short = Heard()
    try step(short, limit: .seconds(600)) { _ in Thread.sleep(forTimeInterval: 0.1) }
    #expect(short.all.isEmpty, "\(short.all)")
    // A step in which the machine holds it up is not short.
    let fault = faultWithPatience([0.5, 8, 60]) { limit in
      let heard = Heard()
      try LocalFabric.run(size: 1) { communicator in
        let recorder = PhaseRecorder(layerCount: 2, rankCount: 1)
        let watch = try StallWatch(communicator, progress: recorder.progress, limit: .seconds(limit)) { heard.add($0) }
        recorder.beginStep()
        recorder.enter(.experts, layer: 1)
        recorder.endStep(.decode)
        // Outside of steps, as a benchmark of one part does.
        recorder.enter(.experts, layer: 1)
        Thread.sleep(forTimeInterval: 2.4 * limit)
        withExtendedLifetime(watch) {}
      }
      return heard.all.isEmpty ? nil : "\(heard.all)"
    }
    #expect(fault == nil)
  }
}
