import ExpertParallelism
import Telemetry

/// When an engine has experts change places of its own accord.
package struct RebalanceSchedule: Sendable {
  /// How long it counts before it looks again; nil where it only does when it is asked.
  package var interval: Duration?
  /// What the busiest rank must have over the mean in that time, of visits or of distinct experts.
  package var threshold = 1.2

  /// Looks again after each `interval`; nil: only when it is asked. `threshold` is relative to the mean, and above 1.
  package init(interval: Duration? = nil, threshold: Double = 1.2) {
    (self.interval, self.threshold) = (interval, threshold)
  }

  /// Steps there must have been: a placement is not planned from chance.
  private static let leastSteps = 64.0
  /// What the plan must promise, of the greater factor: less is not worth the bytes.
  private static let leastGain = 0.03

  /// Counts at one time.
  struct Mark {
    var time: ContinuousClock.Instant
    var busiest: BusiestRank
    var loads: ExpertLoads?
  }

  func isDue(since mark: Mark) -> Bool { interval.map { ContinuousClock.now - mark.time >= $0 } ?? false }

  /// Whether what was counted between two marks calls for another placement.
  func calls(_ loads: ExpertLoads, from mark: Mark, to busiest: BusiestRank) -> Bool {
    var counted = busiest
    counted -= mark.busiest
    guard loads.steps ?? 0 >= Self.leastSteps else { return false }
    return max(counted.visits, counted.experts) > threshold
  }

  /// Whether a plan is worth carrying out.
  static func pays(_ report: RebalanceReport) -> Bool {
    max(report.visitsBefore, report.expertsBefore) - max(report.visitsAfter, report.expertsAfter) >= leastGain
  }
}
