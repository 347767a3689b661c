/// How ranks share the work that is no routed expert's.
package enum RankLayout: String, Sendable, CaseIterable {
  /// By sequence: each has a home rank, which computes everything else for it and holds all that takes.
  case spread
  /// By output element: every rank computes some heads and some rows of every matrix, for all sequences.
  case sliced
  /// Whichever a step is expected to take less time in.
  case auto
}
