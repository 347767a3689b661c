import Machine

/// Whether weights outlive the processes that use them, and whether those of one host have them in common.
package struct KeepingOptions: Sendable {
  package enum Mode: String, Sendable, CaseIterable {
    /// They go with their process.
    case off
    /// They are kept when a job dies, for the next one, and let go of when it ends in good order.
    case restarts
    /// They are kept in any case, for a time.
    case always
  }

  package var mode = Mode.off
  /// How long they are kept when nobody uses them.
  package var seconds = 600
  /// Where a host's keeper listens, and what starts it.
  package var folder = KeeperFolder()
  package var command: [String] = []
  /// One copy for ranks of a host of what is no routed expert.
  package var shares = false
  package init() {}
}
