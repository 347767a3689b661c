import ForwardingCommunicator
import Telemetry
import Testing

@testable import Fabric

struct PeerClocksTests {
  /// Ranks that each say they are on a host of their own.
  private func apart(_ size: Int, _ body: @escaping @Sendable (LonelyCommunicator) throws -> Void) throws {
    try LocalFabric.run(size: size) { try body(LonelyCommunicator($0)) }
  }

  @Test func offsetsOfOtherHostsAreFoundWithinTheErrorStated() throws {
    try apart(3) { communicator in
      // Clocks that are an hour apart, and two.
      let ahead = UInt64(communicator.rank.index) * 3_600_000_000_000
      let clocks = try PeerClocks(communicator) { Timestamp.now() + ahead }
      #expect(clocks.hostOfRank == [0, 1, 2])
      try clocks.align(communicator)
      for (rank, estimate) in clocks.estimates.enumerated() {
        let truth = Double(rank) * 3.6e12
        #expect(abs(estimate.offset - truth) <= estimate.error + 1, "rank \(rank): \(estimate)")
      }
      // Every rank understands every other's time.
      let now = Timestamp.now()
      for peer in 0..<3 {
        let stamp = now + UInt64(peer) * 3_600_000_000_000
        let difference = abs(Double(clocks.local(stamp, of: Rank(peer))) - Double(now + ahead))
        let error = clocks.estimates.map(\.error).max()!
        #expect(difference <= 2 * error + 1000, "rank \(communicator.rank) of \(peer): \(difference) ns")
      }
    }
  }

  @Test func driftIsFoundBetweenTwoSeries() throws {
    let start = Timestamp.now()
    try apart(2) { communicator in
      // Rank 1's clock runs 100 parts in a million fast; ten seconds and what the machine takes pass between
      // the series.
      let passed = Seconds()
      func past() -> Double { Double(Timestamp.now() - start) + passed.value * 1e9 }
      let speed = communicator.isRoot ? 1 : 1 + 1e-4
      let clocks = try PeerClocks(communicator) { start + UInt64(past() * speed) }
      try clocks.align(communicator)
      let first = clocks.estimates[1].error
      passed.value = 10
      try clocks.align(communicator)
      let estimate = clocks.estimates[1]
      // Both series are as good as the machine's messages were quick.
      let error = first + estimate.error
      #expect(abs(estimate.drift - 1e-4) < 1e-5 + error / 1e10, "\(estimate)")
      // A second later, unmeasured, the difference has grown by another hundred microseconds.
      let later = past() + 1e9
      let (here, there) = (start + UInt64(later), start + UInt64(later * (1 + 1e-4)))
      let late = Double(clocks.local(communicator.isRoot ? there : here, of: Rank(communicator.isRoot ? 1 : 0)))
      let expected = Double(communicator.isRoot ? here : there)
      #expect(abs(late - expected) < 50_000 + 3 * error, "\(late - expected) ns")
    }
  }

  @Test func ranksOfOneHostShareAClock() throws {
    try LocalFabric.run(size: 3) { communicator in
      let clocks = try PeerClocks(communicator)
      try clocks.align(communicator)
      #expect(clocks.hostCount == 1)
      #expect(clocks.estimates.allSatisfy { $0 == PeerClocks.Estimate() })
      #expect(clocks.local(12_345, of: Rank(2)) == 12_345)
    }
  }

  @Test(arguments: [0, 1, UInt64.max, 1 << 63]) func anyStampIsSomeTime(stamp: UInt64) throws {
    try apart(2) { communicator in
      let clocks = try PeerClocks(communicator)
      try clocks.align(communicator)
      for peer in 0..<2 { _ = clocks.local(stamp, of: Rank(peer)) }
      _ = clocks.local(stamp, of: Rank(77))
    }
  }

  private final class Seconds: @unchecked Sendable { var value = 0.0 }
}
