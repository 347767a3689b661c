import Telemetry

/// How other hosts' clocks relate to this rank's, from ping-pongs with rank 0.
///
/// Clocks of two hosts start at different times and run at speeds that differ by some parts in a million. Of a series
/// of ping-pongs the fastest gives the offset, off by at most half its time; two series give the drift.
package final class PeerClocks {
  /// One host's clock against rank 0's.
  package struct Estimate: Sendable, Equatable {
    /// The host's time minus rank 0's, in nanoseconds, when rank 0's clock said `at`.
    package var offset: Double = 0
    /// The offset is off by at most this many nanoseconds.
    package var error: Double = 0
    package var at: UInt64 = 0
    /// Nanoseconds the offset grows by in each of rank 0's.
    package var drift: Double = 0
  }

  private static let tag = MessageTag(3)
  private static let rounds = 16
  /// Two series must be this far apart to tell drift from error, in nanoseconds.
  private static let driftBase = 5e9

  /// The lowest rank on each rank's host.
  package let hostOfRank: [Int]
  /// By rank; equal for ranks of one host, and zero for those of rank 0's.
  package private(set) var estimates: [Estimate]
  private var first: [Estimate]
  private let rank: Int
  private let now: () -> UInt64

  /// Finds the ranks that share a clock. Collective.
  package init(_ communicator: any Communicator, now: @escaping () -> UInt64 = Timestamp.now) throws(FabricError) {
    self.now = now
    rank = communicator.rank.index
    var leaders = [Int64](repeating: 0, count: communicator.size)
    leaders[rank] = Int64(communicator.ranksOnHost.first?.index ?? rank)
    hostOfRank = try communicator.allReduce(leaders, .sum).map { Int($0) }
    estimates = Array(repeating: Estimate(), count: communicator.size)
    first = []
  }

  package var hostCount: Int { Set(hostOfRank).count }

  /// Measures every host's clock. Collective.
  package func align(_ communicator: any Communicator) throws(FabricError) {
    guard hostCount > 1 else { return }
    var found: [Int64] = Array(repeating: 0, count: 3 * communicator.size)
    for leader in Set(hostOfRank).sorted() where leader != 0 {
      if rank == 0 {
        let estimate = try ping(Rank(leader), communicator)
        for (peer, host) in hostOfRank.enumerated() where host == leader {
          found[3 * peer] = Int64(estimate.offset)
          found[3 * peer + 1] = Int64(estimate.error)
          found[3 * peer + 2] = Int64(estimate.at)
        }
      } else if rank == leader {
        try answer(communicator)
      }
    }
    let all = try communicator.allReduce(found, .sum)
    let new = estimates.indices.map {
      Estimate(offset: Double(all[3 * $0]), error: Double(all[3 * $0 + 1]), at: UInt64(all[3 * $0 + 2]), drift: 0)
    }
    if first.isEmpty { first = new }
    estimates = zip(first, new).map { first, new in
      var estimate = new
      let passed = Double(new.at) - Double(first.at)
      if passed > Self.driftBase { estimate.drift = (new.offset - first.offset) / passed }
      return estimate
    }
  }

  /// When, on this rank's clock, `peer`'s said `stamp`.
  package func local(_ stamp: UInt64, of peer: Rank) -> UInt64 {
    guard hostOfRank.indices.contains(peer.index), hostOfRank[peer.index] != hostOfRank[rank] else { return stamp }
    let (theirs, ours) = (estimates[peer.index], estimates[rank])
    // The drift since the last series hardly depends on when exactly it is taken.
    let rough = Double(stamp) - theirs.offset
    let own = rough - theirs.drift * (rough - Double(theirs.at)) + ours.offset + ours.drift * (rough - Double(ours.at))
    return own > 0 && own < 1e19 ? UInt64(own) : stamp
  }

  private func ping(_ peer: Rank, _ communicator: any Communicator) throws(FabricError) -> Estimate {
    var best = UInt64.max
    var estimate = Estimate()
    for _ in 0..<Self.rounds {
      let sent = now()
      try send(sent, to: peer, communicator)
      let theirs = try receive(from: peer, communicator)
      let back = now()
      guard back &- sent < best else { continue }
      best = back &- sent
      estimate = Estimate(
        offset: Double(theirs) - (Double(sent) + Double(back)) / 2, error: Double(best) / 2, at: back, drift: 0)
    }
    return estimate
  }

  private func answer(_ communicator: any Communicator) throws(FabricError) {
    for _ in 0..<Self.rounds {
      _ = try receive(from: Rank(0), communicator)
      try send(now(), to: Rank(0), communicator)
    }
  }

  private func send(_ time: UInt64, to peer: Rank, _ communicator: any Communicator) throws(FabricError) {
    let buffer = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    defer { buffer.deallocate() }
    buffer.pointee = time
    try communicator.wait(
      try communicator.startSend(UnsafeRawBufferPointer(start: buffer, count: 8), to: peer, tag: Self.tag))
  }

  private func receive(from peer: Rank, _ communicator: any Communicator) throws(FabricError) -> UInt64 {
    let buffer = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    defer { buffer.deallocate() }
    let request = try communicator.startReceive(
      into: UnsafeMutableRawBufferPointer(start: buffer, count: 8), from: peer, tag: Self.tag)
    let count = try communicator.wait(request)
    guard count == 8 else { throw .malformedMessage(from: peer, reason: "\(count) bytes where a time takes 8") }
    return buffer.pointee
  }
}
