import Fabric
import MoEModel
import Telemetry
import Tensors

/// Brings pieces of rows from each rank to all others, in one message from each to each, through shared memory within a
/// host.
///
/// A message is when it was sent (8 bytes), zeros up to 64 bytes, and the sender's pieces in the order in which they
/// were noted. Its length follows from what all ranks have noted; a rank without pieces sends none.
package final class ClusterSliceExchange: SliceExchange {
  static let tag = MessageTag(12)
  static let headerBytes = 64
  /// Room for one message in memory that ranks of a host share; longer ones are messages of MPI.
  private static let roomLimit = 16 << 20

  private struct Noted: BitwiseCopyable {
    let piece: SlicePiece
    let rank: Int32
  }

  private let communicator: any Communicator
  private let base: DirectExchange
  private let telemetry: RankTelemetry
  private let clocks: PeerClocks
  private let noted = GrowingList<Noted>()
  /// By rank: bytes of its pieces.
  @exclusivity(unchecked) private var byteCounts: [Int]

  /// `rowByteCount`: of the widest rows, of which a step has up to `rows`. Collective.
  package init(
    _ communicator: any Communicator, rows: Int, rowByteCount: Int, telemetry: RankTelemetry, clocks: PeerClocks
  ) throws(FabricError) {
    let room = Self.headerBytes + min(rows * rowByteCount / max(communicator.size, 1), Self.roomLimit)
    base = DirectExchange(communicator, tag: Self.tag, channels: try HostChannels(communicator, byteCount: room))
    (self.communicator, self.telemetry, self.clocks) = (communicator, telemetry, clocks)
    byteCounts = Array(repeating: 0, count: communicator.size)
  }

  package func add(_ piece: SlicePiece, from rank: Int) {
    guard piece.runs > 0, piece.byteCount > 0 else { return }
    noted.append(Noted(piece: piece, rank: Int32(rank)))
    byteCounts[rank] += piece.runs * piece.byteCount
  }

  package func exchange() throws {
    defer {
      noted.removeAll()
      for rank in byteCounts.indices { byteCounts[rank] = 0 }
    }
    let (own, size) = (communicator.rank.index, communicator.size)
    guard size > 1, noted.count > 0 else { return }
    let longest = Self.headerBytes + (byteCounts.max() ?? 0)
    guard longest <= Int(Int32.max) else { throw ExpertParallelismError.slicesTooLarge(bytes: longest) }
    let phases = telemetry.recorder
    let (phase, layer) = (phases.phase, phases.layer)
    phases.enter(.pack, layer: layer)
    // The nearest after it first, so that not all begin with the same.
    for peer in Self.peers(of: own, size) where byteCounts[peer] > 0 {
      try base.expect(from: Rank(peer), limit: Self.headerBytes + byteCounts[peer])
    }
    if byteCounts[own] > 0 { for peer in Self.peers(of: own, size) { try send(to: peer, layer: layer) } }
    for peer in Self.peers(of: own, size) where byteCounts[peer] > 0 { try receive(from: peer, layer: layer) }
    if base.isSending {
      phases.enter(.combine, layer: layer)
      try base.finishSends()
    }
    phases.enter(phase, layer: layer)
  }

  private static func peers(of own: Int, _ size: Int) -> some Sequence<Int> {
    (1..<size).lazy.map { (own + $0) % size }
  }

  private func send(to peer: Int, layer: Int) throws {
    let own = Int32(communicator.rank.index)
    let byteCount = Self.headerBytes + byteCounts[Int(own)]
    let message = try base.room(to: Rank(peer), byteCount: byteCount)
    message.initializeMemory(as: UInt8.self, repeating: 0, count: Self.headerBytes)
    var place = message + Self.headerBytes
    for i in 0..<noted.count where noted.elements[i].rank == own {
      let piece = noted.elements[i].piece
      for run in 0..<piece.runs {
        place.copyMemory(from: piece.start + run * piece.stride, byteCount: piece.byteCount)
        place += piece.byteCount
      }
    }
    telemetry.gathered(to: peer, payloadBytes: byteCounts[Int(own)], messageBytes: byteCount)
    message.storeBytes(of: Timestamp.now().littleEndian, as: UInt64.self)
    try base.send(
      MessageContents(
        base: message, byteCount: byteCount, layer: layer, tokenCount: 0, rowCount: 0, rowByteCount: 0),
      to: Rank(peer))
  }

  private func receive(from peer: Int, layer: Int) throws {
    let phases = telemetry.recorder
    let began = Timestamp.now()
    phases.enter(.combine, layer: layer, at: began)
    let bytes = try base.receive(from: Rank(peer), layer: layer)
    let arrived = Timestamp.now()
    let expected = Self.headerBytes + byteCounts[peer]
    guard bytes.count == expected, let message = bytes.baseAddress else {
      throw ExpertParallelismError.malformedSlices(from: Rank(peer), bytes: bytes.count, expected: expected)
    }
    let sent = clocks.local(UInt64(littleEndian: message.loadUnaligned(as: UInt64.self)), of: Rank(peer))
    if sent > began {
      phases.blame(peer, nanoseconds: min(sent, arrived) &- began, .combine, layer: layer)
    }
    phases.enter(.unpack, layer: layer, at: arrived)
    var place = UnsafeRawPointer(message + Self.headerBytes)
    for i in 0..<noted.count where noted.elements[i].rank == Int32(peer) {
      let piece = noted.elements[i].piece
      for run in 0..<piece.runs {
        (piece.start + run * piece.stride).copyMemory(from: place, byteCount: piece.byteCount)
        place += piece.byteCount
      }
    }
    try base.release(from: Rank(peer))
  }
}
