import LoadGenerator
import Synchronization

/// A progress bar for a run's tasks, drawn ten times a second at most.
final class LoadMeter: Sendable {
  private struct State: ~Copyable {
    var bar = ProgressBar("requests")
    var last: ContinuousClock.Instant?
  }

  private let state = Mutex(State())

  func show(_ progress: LoadRun.Progress, _ words: String) {
    state.withLock { state in
      let now = ContinuousClock.now
      if let last = state.last, now - last < .milliseconds(100), progress.done < progress.total { return }
      state.last = now
      let parts = [words, "\(progress.inFlight) under way", progress.failed > 0 ? "\(progress.failed) failed" : ""]
      state.bar.show(progress.done, of: progress.total, parts.filter { !$0.isEmpty }.joined(separator: ", "))
    }
  }

  /// Clears the line.
  func finish() { state.withLock { $0.bar.finish() } }
}
