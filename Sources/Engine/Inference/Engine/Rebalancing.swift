import ExpertParallelism
import Fabric
import ModelRuntime

/// What an engine's loop does between steps so that experts change places: one round at a time, so that no sequence
/// waits long.
struct Rebalancing {
  private let schedule: RebalanceSchedule
  private let onNote: (String) -> Void
  private var mark: RebalanceSchedule.Mark
  /// Why the last one failed; empty where it did not.
  private(set) var failure = ""

  init(_ schedule: RebalanceSchedule, _ loop: GenerationLoop, onNote: @escaping (String) -> Void) {
    (self.schedule, self.onNote) = (schedule, onNote)
    mark = .init(time: .now, busiest: loop.statistics.busiest)
  }

  /// Begins because somebody asks for it, with all that was counted so far. Collective with the other ranks'
  /// `follow()`.
  mutating func begin(_ loop: GenerationLoop) throws {
    guard !loop.isRebalancing else { return }
    try attempt {
      guard let loads = try loop.collectLoads() else {
        throw RuntimeError.cannotMove("the model is dense and has no experts")
      }
      try loop.beginRebalance(loads)
    }
  }

  /// Carries out the next round, or looks whether one is due. Collective with the other ranks' `follow()`.
  mutating func goOn(_ loop: GenerationLoop) throws {
    guard loop.isRebalancing else { return try look(loop) }
    var report: RebalanceReport?
    try attempt { report = try loop.moveNext() }
    guard let report else { return }
    onNote("experts have changed places: \(report.words)")
    restart(loop, loads: nil)
  }

  /// Begins of its own accord where the schedule says so.
  private mutating func look(_ loop: GenerationLoop) throws {
    guard schedule.isDue(since: mark) else { return }
    guard let now = try loop.collectLoads() else { return restart(loop, loads: nil) }
    // Since the last look; since the start where counts were begun anew meanwhile.
    let counted = mark.loads.flatMap { now.since($0) } ?? now
    let calls = schedule.calls(counted, from: mark, to: loop.statistics.busiest)
    restart(loop, loads: now)
    guard calls else { return }
    try attempt {
      try loop.beginRebalance(counted)
      // Chance, or the best that there is room for.
      if let expected = loop.expectedBalance, !RebalanceSchedule.pays(expected) { loop.endRebalance() }
    }
  }

  private mutating func restart(_ loop: GenerationLoop, loads: ExpertLoads?) {
    mark = .init(time: .now, busiest: loop.statistics.busiest, loads: loads ?? mark.loads)
  }

  /// What goes wrong on all ranks together is told, and the placement stays.
  private mutating func attempt(_ body: () throws -> Void) throws {
    do {
      try body()
      failure = ""
    } catch let error as RuntimeError {
      tell("\(error)")
    } catch FabricError.peersFailed(let failures) {
      tell(failures.first?.message ?? "a rank failed")
    }
  }

  private mutating func tell(_ reason: String) {
    failure = reason
    onNote(reason)
  }
}

extension RebalanceReport {
  var words: String {
    func factor(_ value: Double) -> String {
      let hundredths = Int((value * 100).rounded())
      return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
    return
      """
      \(moved) sent, \(replicas) replicas; the busiest rank is expected to have \(factor(visitsAfter)) × the mean \
      visits and \(factor(expertsAfter)) × the mean experts, instead of \(factor(visitsBefore)) × and \
      \(factor(expertsBefore)) ×
      """
  }
}
