import Telemetry
import Threads

/// A thread that tells when its rank's step takes long: where the rank is, since when, and whom it waits for.
///
/// It speaks of every such step, again and again, also when the rank moves: so whoever hears all ranks knows that one
/// of which nothing is heard, and for which others wait, has been stopped. It is silent while there is nothing to do:
/// between steps, and in waits that may take hours (`Communicator.sleepsWhileWaiting`).
package final class StallWatch {
  private let isOver = Monitor(false)
  private let thread: BackgroundThread

  /// What the thread needs.
  private struct Watch: Sendable {
    let progress: StepProgress
    let rank: Int
    let size: Int
    let host: String
    let limit: Duration
    let tick: Duration
    let tell: @Sendable (StallReport) -> Void
    let onStall: @Sendable (StallReport?) -> Void
  }

  /// Watches steps of which `progress` tells that take longer than `limit`. To a supervisor every report is a line on
  /// standard error; to a user only those of a rank that does not move, in words too.
  package convenience init(
    _ communicator: any Communicator, progress: StepProgress, limit: Duration, isSupervised: Bool,
    onStall: @escaping @Sendable (StallReport?) -> Void = { _ in }
  ) throws(FabricError) {
    let seconds = limit / .seconds(1)
    try self.init(
      communicator, progress: progress, limit: limit,
      tell: { report in
        guard isSupervised || report.seconds >= seconds else { return }
        printError(isSupervised ? report.line : report.line + "\nmartinet: \(report.words)")
      }, onStall: onStall)
  }

  /// `tell` hears of what takes longer than `limit`; `onStall` only of this rank's not moving, and nil when it moves
  /// again.
  package init(
    _ communicator: any Communicator, progress: StepProgress, limit: Duration,
    tell: @escaping @Sendable (StallReport) -> Void, onStall: @escaping @Sendable (StallReport?) -> Void = { _ in }
  ) throws(FabricError) {
    let watch = Watch(
      progress: progress, rank: communicator.rank.index, size: communicator.size, host: communicator.hostName,
      limit: limit, tick: min(limit / 10, .milliseconds(500)), tell: tell, onStall: onStall)
    let isOver = isOver
    do throws(ThreadError) {
      thread = try BackgroundThread("stall watch") { Self.run(watch, isOver) }
    } catch { throw .noThread(error) }
    communicator.progress = progress
  }

  deinit {
    isOver.change { $0 = true }
    thread.join()
  }

  /// What is seen of the main thread; nil while it has nothing to do.
  private enum Sight: Equatable {
    case step(StepProgress.Place)
    /// A wait outside of steps, for whom, and its number.
    case wait(StepProgress.Wait, UInt32)

    init?(_ progress: StepProgress) {
      if let place = progress.now {
        self = .step(place)
      } else {
        let (wait, count) = progress.wait
        guard wait != .nobody else { return nil }
        self = .wait(wait, count)
      }
    }

    func isSameStep(as other: Sight) -> Bool {
      if case (.step(let a), .step(let b)) = (self, other) { a.step == b.step } else { self == other }
    }
  }

  private static func run(_ watch: Watch, _ isOver: Monitor<Bool>) {
    var last: Sight?
    var (stepBegan, changed, lookedAt) = (ContinuousClock.now, ContinuousClock.now, ContinuousClock.now)
    var told: ContinuousClock.Instant?
    var toldOfStall = false
    while isOver.wait(atMost: watch.tick, until: { $0 ? true : nil }) == nil {
      let now = ContinuousClock.now
      // This whole process was stopped for a while: that is not its step's time.
      let lost = now - lookedAt - watch.tick
      if lost > .seconds(2) { (stepBegan, changed) = (stepBegan + lost, changed + lost) }
      lookedAt = now
      let sight = Sight(watch.progress)
      if sight != last {
        if let last, let sight, sight.isSameStep(as: last) {} else { (stepBegan, told) = (now, nil) }
        if toldOfStall { watch.onStall(nil) }
        (last, changed, toldOfStall) = (sight, now, false)
      }
      guard let sight, now - stepBegan >= watch.limit else { continue }
      let stalls = now - changed >= watch.limit
      guard told.map({ now - $0 >= watch.limit / 2 }) ?? true || stalls && !toldOfStall else { continue }
      (told, toldOfStall) = (now, stalls)
      let report = report(watch, sight, changed: now - changed, step: now - stepBegan)
      watch.tell(report)
      if stalls { watch.onStall(report) }
    }
  }

  private static func report(_ watch: Watch, _ sight: Sight, changed: Duration, step: Duration) -> StallReport {
    // Of a wait outside of steps as it was seen: it may have ended meanwhile.
    let wait = if case .wait(let wait, _) = sight { wait } else { watch.progress.waitsFor }
    let waitingFor =
      switch wait {
      case .nobody: [Int]()
      case .peer(let peer): [peer]
      case .all: (0..<watch.size).filter { $0 != watch.rank }
      }
    let (layer, phase) =
      if case .step(let place) = sight { (place.layer, place.phase.name) } else {
        (PhaseRecorder.outside, StallReport.betweenSteps)
      }
    // Tenths of a second say all there is to say.
    func tenths(_ duration: Duration) -> Double { (duration / .seconds(1) * 10).rounded(.down) / 10 }
    return StallReport(
      rank: watch.rank, host: watch.host, layer: layer, phase: phase, seconds: tenths(changed),
      stepSeconds: tenths(step), waitingFor: waitingFor)
  }
}

extension StallReport {
  fileprivate var words: String {
    let peers = waitingFor.map { "\($0)" }.joined(separator: ", ")
    let what = waitingFor.isEmpty ? "has computed" : "has waited for rank\(waitingFor.count > 1 ? "s" : "") \(peers)"
    return "rank \(rank) (\(host)) \(what) for \(Int(seconds)) s in \(place)"
  }
}
