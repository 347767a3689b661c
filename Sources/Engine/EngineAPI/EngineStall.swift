/// A rank that has been in one place for too long, as far as rank 0 sees it.
package struct EngineStall: Sendable, Equatable {
  /// The rank that tells, and its host.
  package var rank: Int
  package var host: String
  /// Where in a step it is, in words: `layer 3, dispatch`.
  package var place: String
  /// Ranks whose messages it waits for; empty when it computes itself.
  package var waitingFor: [Int]
  package var since: ContinuousClock.Instant

  package init(rank: Int, host: String, place: String, waitingFor: [Int], since: ContinuousClock.Instant) {
    (self.rank, self.host, self.place, self.waitingFor, self.since) = (rank, host, place, waitingFor, since)
  }

  /// What a person is told: `rank 0 on host n0 has waited for rank 2 for 12 s in layer 3, dispatch`.
  package func words(at now: ContinuousClock.Instant = .now) -> String {
    let peers = waitingFor.map { "\($0)" }.joined(separator: ", ")
    let what = waitingFor.isEmpty ? "has computed" : "has waited for rank\(waitingFor.count > 1 ? "s" : "") \(peers)"
    return "rank \(rank) on host \(host) \(what) for \((now - since).components.seconds) s in \(place)"
  }
}
