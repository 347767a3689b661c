extension LinkProbe {
  /// What messages between two ranks take.
  package struct PairSample: Sendable, Equatable {
    package let first: Rank
    package let second: Rank
    /// Seconds for the smallest message, one way.
    package let latency: Double
    package let bytesPerSecond: Double
  }

  private static let smallBytes = 64
  private static let largeBytes = 4 << 20

  /// Ping-pongs of each pair of ranks alone, while the others wait; the same on every rank. A tenth of a second for
  /// each pair on fast networks. Collective; all ranks pass the same pairs.
  package static func measure(_ communicator: any Communicator, pairs: [(Rank, Rank)]) throws -> [PairSample] {
    guard !pairs.isEmpty else { return [] }
    let probe = LinkProbe(communicator, byteCount: largeBytes)
    defer { probe.free() }
    return try pairs.map { pair in
      let ranks = (pair.0.index, pair.1.index)
      let latency = try probe.pingPong(ranks, bytes: smallBytes)
      let seconds = try probe.pingPong(ranks, bytes: largeBytes)
      return PairSample(
        first: pair.0, second: pair.1, latency: latency, bytesPerSecond: Double(largeBytes) / max(seconds, 1e-9))
    }
  }
}
