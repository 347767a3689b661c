import Fabric
import Telemetry

extension TreeReduction {
  /// The most of a slice that one message brings.
  private static var messageBytes: Int { 64 << 20 }

  /// Slices on their way.
  package struct Gathering {
    fileprivate let transfers: Transfers
  }

  /// Brings every rank's slice of `values` to all ranks: numbers of any width, of which there are as many as were added
  /// up, so that what an owner made of its sums (weights rounded to bf16) travels too. Collective.
  package func gather<Element: BitwiseCopyable>(_ values: UnsafeMutableBufferPointer<Element>) throws {
    try finish(startGather(values))
  }

  /// The same without waiting: until `finish`, nobody writes to own numbers or reads others'. Collective, in one order
  /// with other messages of reductions.
  package func startGather<Element: BitwiseCopyable>(
    _ values: UnsafeMutableBufferPointer<Element>
  ) throws -> Gathering {
    guard values.count == count else { throw ReductionError.wrongCount(values.count, expected: count) }
    let bytes = UnsafeMutableRawBufferPointer(values)
    let width = MemoryLayout<Element>.stride
    let transfers = Transfers(communicator)
    /// A rank's slice in pieces that fit into a message.
    func pieces(_ rank: Int) -> [UnsafeMutableRawBufferPointer] {
      let (start, end) = (slices[rank].lowerBound * width, slices[rank].upperBound * width)
      return stride(from: start, to: end, by: Self.messageBytes).map {
        UnsafeMutableRawBufferPointer(rebasing: bytes[$0..<min($0 + Self.messageBytes, end)])
      }
    }
    let peers = (0..<communicator.size).filter { $0 != communicator.rank.index }
    for peer in peers {
      for piece in pieces(peer) { try transfers.receive(into: piece, from: Rank(peer), tag: Self.gatherTag) }
    }
    for peer in peers {
      for piece in pieces(communicator.rank.index) {
        try transfers.send(UnsafeRawBufferPointer(piece), to: Rank(peer), tag: Self.gatherTag)
        telemetry?.reduction.countGather(bytes: piece.count)
      }
    }
    return Gathering(transfers: transfers)
  }

  /// Waits until slices have come.
  package func finish(_ gathering: Gathering) throws { try finish(gathering.transfers) }
}
