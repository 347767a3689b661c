import Serving

/// Counts an engine's restarts from its states, seen often but not without gaps.
struct RestartCounter {
  private var last: EngineState?
  /// Of the last restart seen.
  private var attempt = 0

  /// Restarts between the last state and this one.
  mutating func restarts(until state: EngineState) -> Int {
    defer { last = state }
    guard case .restarting(_, let current) = state, state != last else { return 0 }
    defer { attempt = current }
    // An engine counts anew when it has served well, or found what ended it.
    return max(1, current - attempt)
  }
}
