import Fabric
import Machine
import MoEModel
import Telemetry
import Tensors

/// Brings pieces of rows from each rank to all others, through shared memory within a host, on the way that
/// `SliceRoutes` says.
///
/// A message is when it was sent (8 bytes), zeros up to 64 bytes, and pieces: the sender's, or in a later stage those
/// that it has from others, one rank after another, each in the order in which they were noted. Its length follows from
/// what all ranks have noted; where that is nothing none is sent.
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
  package let hostRanks: [Int]
  package var whileWaiting: (any Polled)?
  private let stages: [SliceRoutes.Stage]
  /// By stage: ranks that an earlier one exchanges messages with, too.
  private let knownPeers: [Set<Int>]
  private let nothingKnown: [Set<Int>] = [[]]
  /// Straight from each rank of this host to each other.
  private let hostStages: [SliceRoutes.Stage]
  /// By rank: bytes of its pieces.
  @exclusivity(unchecked) private var byteCounts: [Int]

  /// `rowByteCount`: of the widest rows, of which a step has up to `rows`. Collective.
  package init(
    _ communicator: any Communicator, rows: Int, rowByteCount: Int, telemetry: RankTelemetry, clocks: PeerClocks
  ) throws(FabricError) {
    let routes = SliceRoutes(hostOfRank: clocks.hostOfRank)
    let stages = routes.stages(of: communicator.rank.index)
    self.stages = stages
    let (own, hosts) = (communicator.rank.index, clocks.hostOfRank)
    let hostRanks = hosts.indices.filter { hosts[$0] == hosts[own] }
    self.hostRanks = hostRanks
    hostStages = [
      SliceRoutes.Stage(origins: [own], peers: hostRanks.filter { $0 != own }.map { (rank: $0, origins: [$0]) })
    ]
    knownPeers = stages.indices.map { Set(stages[..<$0].flatMap(\.peers).map(\.rank)) }
    let most = rows * rowByteCount * routes.mostOrigins / max(communicator.size, 1)
    let room = Self.headerBytes + min(most, Self.roomLimit)
    base = DirectExchange(communicator, tag: Self.tag, channels: try HostChannels(communicator, byteCount: room))
    (self.communicator, self.telemetry, self.clocks) = (communicator, telemetry, clocks)
    byteCounts = Array(repeating: 0, count: communicator.size)
  }

  package func add(_ piece: SlicePiece, from rank: Int) {
    guard piece.runs > 0, piece.byteCount > 0 else { return }
    noted.append(Noted(piece: piece, rank: Int32(rank)))
    byteCounts[rank] += piece.runs * piece.byteCount
  }

  package func exchange() throws { try exchange(stages, knownPeers) }

  package func exchangeWithinHost() throws { try exchange(hostStages, nothingKnown) }

  private func exchange(_ stages: [SliceRoutes.Stage], _ knownPeers: [Set<Int>]) throws {
    defer {
      noted.removeAll()
      for rank in byteCounts.indices { byteCounts[rank] = 0 }
    }
    guard communicator.size > 1, noted.count > 0 else { return }
    communicator.whileWaiting = whileWaiting
    defer { communicator.whileWaiting = nil }
    let sent = stages.reduce(0) { max($0, byteCount($1.origins)) }
    let received = stages.reduce(0) { most, stage in stage.peers.reduce(most) { max($0, byteCount($1.origins)) } }
    let longest = Self.headerBytes + max(sent, received)
    guard longest <= Int(Int32.max) else { throw ExpertParallelismError.slicesTooLarge(bytes: longest) }
    let phases = telemetry.recorder
    let (phase, layer) = (phases.phase, phases.layer)
    phases.enter(.pack, layer: layer)
    for (stage, known) in zip(stages, knownPeers) { try expect(stage) { !known.contains($0) } }
    for (stage, known) in zip(stages, knownPeers) {
      phases.enter(.pack, layer: layer)
      if !known.isEmpty {
        // A second message to a rank takes the memory of the first, and is looked for when that is here.
        for (peer, _) in stage.peers where known.contains(peer) { try base.finishSends(to: Rank(peer)) }
        try expect(stage) { known.contains($0) }
      }
      if byteCount(stage.origins) > 0 {
        for (peer, _) in stage.peers { try send(stage.origins, to: peer, layer: layer) }
      }
      for (peer, origins) in stage.peers where byteCount(origins) > 0 {
        try receive(origins, from: peer, layer: layer)
      }
    }
    if base.isSending {
      phases.enter(.combine, layer: layer)
      try base.finishSends()
    }
    phases.enter(phase, layer: layer)
  }

  /// Makes room for the messages of a stage from some of its peers.
  private func expect(_ stage: SliceRoutes.Stage, _ isMeant: (Int) -> Bool) throws {
    for (peer, origins) in stage.peers where byteCount(origins) > 0 && isMeant(peer) {
      try base.expect(from: Rank(peer), limit: Self.headerBytes + byteCount(origins))
    }
  }

  /// Of these ranks' pieces.
  private func byteCount(_ origins: [Int]) -> Int { origins.reduce(0) { $0 + byteCounts[$1] } }

  private func send(_ origins: [Int], to peer: Int, layer: Int) throws {
    let payload = byteCount(origins)
    let message = try base.room(to: Rank(peer), byteCount: Self.headerBytes + payload)
    message.initializeMemory(as: UInt8.self, repeating: 0, count: Self.headerBytes)
    var place = message + Self.headerBytes
    for origin in origins {
      for i in 0..<noted.count where noted.elements[i].rank == Int32(origin) {
        let piece = noted.elements[i].piece
        for run in 0..<piece.runs {
          place.copyMemory(from: piece.start + run * piece.stride, byteCount: piece.byteCount)
          place += piece.byteCount
        }
      }
    }
    telemetry.gathered(to: peer, payloadBytes: payload, messageBytes: Self.headerBytes + payload)
    message.storeBytes(of: Timestamp.now().littleEndian, as: UInt64.self)
    try base.send(
      MessageContents(
        base: message, byteCount: Self.headerBytes + payload, layer: layer, tokenCount: 0, rowCount: 0,
        rowByteCount: 0),
      to: Rank(peer))
  }

  private func receive(_ origins: [Int], from peer: Int, layer: Int) throws {
    let phases = telemetry.recorder
    let began = Timestamp.now()
    phases.enter(.combine, layer: layer, at: began)
    let bytes = try base.receive(from: Rank(peer), layer: layer)
    let arrived = Timestamp.now()
    let expected = Self.headerBytes + byteCount(origins)
    guard bytes.count == expected, let message = bytes.baseAddress else {
      throw ExpertParallelismError.malformedSlices(from: Rank(peer), bytes: bytes.count, expected: expected)
    }
    let sent = clocks.local(UInt64(littleEndian: message.loadUnaligned(as: UInt64.self)), of: Rank(peer))
    if sent > began { phases.blame(peer, nanoseconds: min(sent, arrived) &- began, .combine, layer: layer) }
    phases.enter(.unpack, layer: layer, at: arrived)
    var place = UnsafeRawPointer(message + Self.headerBytes)
    for origin in origins {
      for i in 0..<noted.count where noted.elements[i].rank == Int32(origin) {
        let piece = noted.elements[i].piece
        for run in 0..<piece.runs {
          (piece.start + run * piece.stride).copyMemory(from: place, byteCount: piece.byteCount)
          place += piece.byteCount
        }
      }
    }
    try base.release(from: Rank(peer))
  }
}
