/// What one rank sent to others in reductions of replicated values (`TreeReduction`): bytes and messages since the
/// start.
package struct ReductionTraffic: Sendable, Equatable {
  /// Partial sums on their way to the owners of slices.
  package var sumBytes = 0
  package var sumMessages = 0
  /// Slices on their way from their owners to all.
  package var gatherBytes = 0
  package var gatherMessages = 0

  package init() {}

  /// Counts a message with sums of `bytes` bytes.
  package mutating func countSums(bytes: Int) {
    sumBytes += bytes
    sumMessages += 1
  }

  /// Counts a message with gathered weights of `bytes` bytes.
  package mutating func countGather(bytes: Int) {
    gatherBytes += bytes
    gatherMessages += 1
  }

  package var bytes: Int { sumBytes + gatherBytes }
}
