import Fabric
import Tensors

/// Messages straight from rank to rank: through shared memory to ranks of this host where there is some, as ordinary
/// messages to others.
final class DirectExchange: Exchange {
  private let communicator: any Communicator
  private let tag: MessageTag
  private let channels: HostChannels?
  // One thread calls. By rank; grown where needed.
  @exclusivity(unchecked) private var outgoing: [AlignedBuffer<UInt8>]
  @exclusivity(unchecked) private var incoming: [AlignedBuffer<UInt8>]
  @exclusivity(unchecked) private var limits: [Int]
  @exclusivity(unchecked) private var receives: [PendingRequest?]
  @exclusivity(unchecked) private var sends: [(peer: Rank, request: PendingRequest)] = []

  init(_ communicator: any Communicator, tag: MessageTag, channels: HostChannels?) {
    (self.communicator, self.tag, self.channels) = (communicator, tag, channels)
    let nothing = AlignedBuffer<UInt8>(count: 64)
    outgoing = Array(repeating: nothing, count: communicator.size)
    incoming = outgoing
    limits = Array(repeating: 0, count: communicator.size)
    receives = Array(repeating: nil, count: communicator.size)
  }

  /// The channels, where they lead to `peer`. Inlined, so that nobody counts references to them.
  @inline(__always) private func shares(_ peer: Rank) -> HostChannels? {
    guard let channels, channels.connects(peer) else { return nil }
    return channels
  }

  func hasArrived(from peer: Rank) throws -> Bool {
    guard let request = receives[peer.index] else { return true }
    return try communicator.isComplete(request)
  }

  func isShared(with peer: Rank) -> Bool { shares(peer) != nil }

  func room(to peer: Rank, byteCount: Int) throws -> UnsafeMutableRawPointer {
    if let channels = shares(peer), byteCount <= channels.capacity { return try channels.begin(to: peer).start }
    if outgoing[peer.index].count < byteCount { outgoing[peer.index] = AlignedBuffer(count: byteCount + byteCount / 2) }
    return UnsafeMutableRawPointer(outgoing[peer.index].pointer)
  }

  func send(_ contents: MessageContents, to peer: Rank) throws {
    let byteCount = contents.byteCount
    if let channels = shares(peer) {
      if byteCount > channels.capacity { _ = try channels.begin(to: peer) }
      try channels.send(to: peer, byteCount: byteCount)
      if byteCount <= channels.capacity { return }
    }
    let bytes = UnsafeRawBufferPointer(start: outgoing[peer.index].pointer, count: byteCount)
    sends.append((peer, try communicator.startSend(bytes, to: peer, tag: tag)))
  }

  func expect(from peer: Rank, limit: Int) throws {
    limits[peer.index] = limit
    if shares(peer) == nil { try startReceive(from: peer, byteCount: limit) }
  }

  private func startReceive(from peer: Rank, byteCount: Int) throws {
    if incoming[peer.index].count < byteCount { incoming[peer.index] = AlignedBuffer(count: byteCount + byteCount / 2) }
    let buffer = UnsafeMutableRawBufferPointer(start: incoming[peer.index].pointer, count: byteCount)
    receives[peer.index] = try communicator.startReceive(into: buffer, from: peer, tag: tag)
  }

  /// The message's reader may overwrite it.
  func receive(from peer: Rank, layer: Int) throws -> UnsafeMutableRawBufferPointer {
    if let channels = shares(peer) {
      switch try channels.receive(from: peer) {
      case .here(let bytes): return bytes
      case .announced(let count):
        guard count <= limits[peer.index] else {
          throw FabricError.messageTruncated(from: peer, tag: tag, capacity: limits[peer.index])
        }
        try startReceive(from: peer, byteCount: count)
      }
    }
    guard let request = receives[peer.index] else { throw FabricError.unknownRequest }
    receives[peer.index] = nil
    let count = try communicator.wait(request)
    return UnsafeMutableRawBufferPointer(start: incoming[peer.index].pointer, count: count)
  }

  func release(from peer: Rank) throws { try shares(peer)?.release(from: peer) }

  var isSending: Bool { !sends.isEmpty }

  func finishSends() throws {
    for send in sends { try communicator.wait(send.request) }
    sends.removeAll(keepingCapacity: true)
  }

  /// Waits until the memory of what was sent to `peer` is free for another message.
  func finishSends(to peer: Rank) throws {
    guard sends.contains(where: { $0.peer == peer }) else { return }
    for send in sends where send.peer == peer { try communicator.wait(send.request) }
    sends.removeAll { $0.peer == peer }
  }
}
