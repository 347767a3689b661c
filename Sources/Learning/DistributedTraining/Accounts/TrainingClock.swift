import Telemetry

/// One rank's account of a training's time by phase, and of what it waited in each for other ranks.
///
/// A change of phase reads the clock once. What is neither in a step nor in a phase between steps is not counted.
package final class TrainingClock {
  /// One phase, until the next span's start; `TrainingPhase.count` ends a run of them.
  package struct Span: BitwiseCopyable, Equatable, Sendable {
    package var start: UInt64
    package var phase: UInt8
  }

  private(set) var times = TrainingTimes()
  private var phase: TrainingPhase?
  private var since: UInt64 = 0
  private var began: UInt64 = 0
  private var communication: UInt64 = 0
  /// Of the latest spans at least this many are kept; none where it is 0.
  private var keptCount = 0
  private var spans: [Span] = []

  package init() {}

  /// From now on the latest `count` spans at least are kept, for a trace; none where it is 0.
  package func keepSpans(_ count: Int) {
    keptCount = max(0, count)
    spans.reserveCapacity(2 * keptCount)
  }

  package var keptSpans: [Span] { Array(spans.suffix(keptCount)) }

  package func beginStep() {
    communication = 0
    began = enter(.data)
  }

  @discardableResult
  package func enter(_ next: TrainingPhase) -> UInt64 {
    let now = leave(logs: false)
    (phase, since) = (next, now)
    log(now, UInt8(next.rawValue))
    return now
  }

  /// Ends the phase under way; none follows.
  func leave() { _ = leave(logs: true) }

  private func leave(logs: Bool) -> UInt64 {
    let now = Timestamp.now()
    guard let phase else { return now }
    times.time[phase.rawValue] &+= now &- since
    self.phase = nil
    if logs { log(now, UInt8(TrainingPhase.count)) }
    return now
  }

  package func endStep() -> TrainingStepTime {
    let now = leave(logs: true)
    times.steps += 1
    times.wall &+= now &- began
    var step = TrainingStepTime()
    (step.wall, step.communication) = (Double(now &- began) / 1e9, Double(communication) / 1e9)
    return step
  }

  /// Of the phase under way, so many nanoseconds were communication.
  func waited(_ nanoseconds: UInt64) {
    guard let phase else { return }
    times.waiting[phase.rawValue] &+= nanoseconds
    communication &+= nanoseconds
  }

  /// What `body` takes is waiting for other ranks.
  package func wait<T>(_ body: () throws -> T) rethrows -> T {
    let began = Timestamp.now()
    defer { waited(Timestamp.now() &- began) }
    return try body()
  }

  private func log(_ time: UInt64, _ code: UInt8) {
    guard keptCount > 0 else { return }
    if spans.count >= 2 * keptCount { spans.removeFirst(spans.count - keptCount) }
    spans.append(Span(start: time, phase: code))
  }
}
