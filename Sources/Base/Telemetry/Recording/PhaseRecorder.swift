/// One rank's account of where the time of its steps went, by layer and phase.
///
/// `enter` ends the phase under way and begins the next: it reads the clock once, which takes some tens of nanoseconds,
/// and allocates nothing. Between `endStep` and `beginStep` nothing is counted.
package final class PhaseRecorder {
  /// What happens before the first layer, after the last, and between ranks.
  package static let outside = -1

  /// One phase of one layer, from `start` to the start of the span that follows it.
  package struct Span: BitwiseCopyable, Equatable {
    package var start: UInt64
    package var step: UInt32
    package var layer: Int16
    /// `Phase.rawValue`; `Phase.count` ends a step.
    package var phase: UInt8
  }

  /// One message of an expert layer, as its sender saw it.
  package struct Message: BitwiseCopyable, Equatable {
    package var sent: UInt64
    package var step: UInt32
    package var rows: UInt32
    package var peer: UInt16
    package var layer: Int16
    /// Expert outputs on their way back, not tokens on their way out.
    package var isCombine: Bool
  }

  package let layerCount: Int
  package let rankCount: Int
  /// Off, steps are not recorded; changes take effect with the next step.
  package var isEnabled = true
  @exclusivity(unchecked) package private(set) var phase = Phase.plan
  @exclusivity(unchecked) package private(set) var layer = outside
  /// The same for other threads, of every step, recorded or not.
  package let progress = StepProgress()
  // One thread records, several times in each layer.
  @exclusivity(unchecked) private var isUnderWay = false
  @exclusivity(unchecked) private var isOpen = false
  @exclusivity(unchecked) private var since: UInt64 = 0
  private var start: UInt64 = 0
  private var stepNumber: UInt32 = 0
  @exclusivity(unchecked) private var spans: RingLog<Span>?
  @exclusivity(unchecked) private var messages: RingLog<Message>?

  /// The step under way, and the sums over all steps of each kind.
  @exclusivity(unchecked) private var step: PhaseTimes
  package private(set) var totals: [PhaseTimes]

  /// Of a model with `layerCount` layers, on one of `rankCount` ranks; all times are zero.
  package init(layerCount: Int, rankCount: Int) {
    self.layerCount = layerCount
    self.rankCount = rankCount
    step = PhaseTimes(layerCount: layerCount, rankCount: rankCount)
    totals = StepKind.allCases.map { _ in PhaseTimes(layerCount: layerCount, rankCount: rankCount) }
  }

  /// Keeps the spans and messages of the latest steps, up to `capacity` of each.
  package func keepSpans(_ capacity: Int) {
    spans = RingLog(capacity: capacity)
    messages = RingLog(capacity: capacity)
  }

  /// What was kept, in the order of time.
  package var keptSpans: [Span] { spans?.inOrder ?? [] }
  package var keptMessages: [Message] { messages?.inOrder ?? [] }

  /// Notes a message of `rows` rows to rank `peer`, about to be sent at `time` (nanoseconds of `Timestamp`).
  package func sending(to peer: Int, rows: Int, layer: Int, isCombine: Bool, at time: UInt64) {
    guard isOpen, messages != nil else { return }
    messages?.append(
      Message(
        sent: time, step: stepNumber, rows: UInt32(clamping: rows), peer: UInt16(clamping: peer),
        layer: Int16(truncatingIfNeeded: layer), isCombine: isCombine))
  }

  /// Begins a step with the phase `plan`, which may lie in the past.
  package func beginStep(at time: UInt64 = Timestamp.now()) {
    isUnderWay = true
    progress.beginStep()
    isOpen = isEnabled
    guard isOpen else { return }
    start = time
    (since, phase, layer) = (start, .plan, Self.outside)
    stepNumber &+= 1
    log(start, UInt8(Phase.plan.rawValue))
  }

  /// Ends the phase there was and begins `next`, now; `layer`: the number of the layer it is in, `outside` for none.
  @inline(__always) package func enter(_ next: Phase, layer nextLayer: Int = outside) {
    enter(next, layer: nextLayer, at: isOpen ? Timestamp.now() : 0)
  }

  /// The same for who has read the clock: `now` is in nanoseconds of `Timestamp`.
  @inline(__always) package func enter(_ next: Phase, layer nextLayer: Int, at now: UInt64) {
    if isUnderWay { progress.enter(next, layer: nextLayer) }
    guard isOpen else { return }
    step.add(now &- since, phase, layer: layer)
    (since, phase, layer) = (now, next, nextLayer)
    log(now, UInt8(next.rawValue))
  }

  /// Of a waiting phase, `nanoseconds` went by because `peer` was late: before it had sent anything.
  package func blame(_ peer: Int, nanoseconds: UInt64, _ phase: Phase, layer: Int = outside) {
    guard isOpen, nanoseconds > 0 else { return }
    step.blame(peer, nanoseconds, phase, layer: layer)
  }

  /// Adds the step to the sums of its kind; returns what it took, zero where it was not recorded.
  @discardableResult
  package func endStep(_ kind: StepKind, at now: UInt64 = Timestamp.now()) -> StepTime {
    isUnderWay = false
    progress.endStep()
    guard isOpen else { return StepTime() }
    step.add(now &- since, phase, layer: layer)
    log(now, UInt8(Phase.count))
    isOpen = false
    step.steps = 1
    step.wall = now &- start
    let time = StepTime(wall: step.wall, communication: rankCount > 1 ? step.communication : 0)
    totals[kind.rawValue].add(step)
    step.clear()
    return time
  }

  /// Forgets all sums and spans.
  package func reset() {
    for kind in totals.indices { totals[kind].clear() }
    spans?.clear()
    messages?.clear()
  }

  @inline(__always) private func log(_ time: UInt64, _ code: UInt8) {
    spans?.append(Span(start: time, step: stepNumber, layer: Int16(truncatingIfNeeded: layer), phase: code))
  }
}

/// What one step took on one rank, in nanoseconds.
package struct StepTime: Sendable {
  package var wall: UInt64 = 0
  /// Of it, phases in which the rank only communicated.
  package var communication: UInt64 = 0
}
