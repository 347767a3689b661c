internal import CMPIShims

/// Messages between ranks of one host that are written once, into memory both see, and read where they lie.
///
/// From each rank to each other of its host there is room for one message. A sender waits until the receiver has
/// released the last one. What is longer than the room is only announced, and travels as an ordinary message.
package final class HostChannels {
  /// What a receiver finds.
  package enum Arrival {
    case here(UnsafeMutableRawBufferPointer)
    /// An ordinary message of so many bytes is to follow.
    case announced(byteCount: Int)
  }

  /// Memory of all channels of a host together, at most.
  private static let hostBudget = 512 << 20
  /// The numbers of a channel lie on lines of their own: `published` is the sender's, `released` the receiver's.
  private static let publishedOffset = 0
  private static let lengthOffset = 8
  private static let releasedOffset = 64
  private static let headerBytes = 128

  private let communicator: any Communicator
  package let capacity: Int
  private let stride: Int
  /// By rank: where messages to it and from it lie; nil for ranks of other hosts.
  private let outgoing: [UnsafeMutableRawPointer?]
  private let incoming: [UnsafeMutableRawPointer?]
  /// By rank: messages begun so far. One thread calls.
  @exclusivity(unchecked) private var sent: [UInt64]
  @exclusivity(unchecked) private var received: [UInt64]

  /// Room for messages of up to `byteCount` bytes, or less where a host's ranks are many; nil on all ranks where hosts
  /// have one rank each, or no shared memory. Collective.
  package init?(_ communicator: any Communicator, byteCount: Int) throws(FabricError) {
    self.communicator = communicator
    sent = Array(repeating: 0, count: communicator.size)
    received = sent
    let local = communicator.ranksOnHost
    let most = Int(try communicator.allReduceMax(Int64(local.count)))
    guard most > 1 else { return nil }
    // Each rank's part has a place for itself too, which stays empty.
    let room = min(byteCount, Self.hostBudget / (most * most) - Self.headerBytes)
    capacity = Int(try communicator.allReduceMin(Int64(room))) / 64 * 64
    stride = Self.headerBytes + capacity
    guard capacity > 0, let places = try communicator.allocateShared(byteCount: stride * local.count) else {
      return nil
    }
    let own = communicator.localRank
    var outgoing: [UnsafeMutableRawPointer?] = Array(repeating: nil, count: communicator.size)
    var incoming = outgoing
    for (index, peer) in local.enumerated() where peer != communicator.rank {
      outgoing[peer.index] = places[own] + index * stride
      incoming[peer.index] = places[index] + own * stride
    }
    (self.outgoing, self.incoming) = (outgoing, incoming)
  }

  package func connects(_ peer: Rank) -> Bool { outgoing[peer.index] != nil }

  /// Waits until the last message to `peer` was released; returns the room for the next one.
  package func begin(to peer: Rank) throws(FabricError) -> UnsafeMutableRawBufferPointer {
    let channel = try channel(outgoing, peer)
    let count = sent[peer.index]
    try communicator.wait(for: peer) { Self.number(channel, Self.releasedOffset) == count }
    return UnsafeMutableRawBufferPointer(start: channel + Self.headerBytes, count: capacity)
  }

  /// Hands over the `byteCount` bytes written since `begin`, or announces a message of more than there is room for.
  package func send(to peer: Rank, byteCount: Int) throws(FabricError) {
    let channel = try channel(outgoing, peer)
    sent[peer.index] += 1
    channel.storeBytes(of: UInt64(byteCount), toByteOffset: Self.lengthOffset, as: UInt64.self)
    cmpi_store_release(channel.assumingMemoryBound(to: UInt64.self), sent[peer.index])
  }

  /// Waits for the next message of `peer`, which stays where it is until `release`.
  package func receive(from peer: Rank) throws(FabricError) -> Arrival {
    let channel = try channel(incoming, peer)
    let expected = received[peer.index] + 1
    try communicator.wait(for: peer) { Self.number(channel, Self.publishedOffset) == expected }
    received[peer.index] = expected
    let count = channel.load(fromByteOffset: Self.lengthOffset, as: UInt64.self)
    guard count <= UInt64(Int32.max) else { throw .malformedMessage(from: peer, reason: "it announces \(count) bytes") }
    guard count <= capacity else { return .announced(byteCount: Int(count)) }
    return .here(UnsafeMutableRawBufferPointer(start: channel + Self.headerBytes, count: Int(count)))
  }

  /// Gives the room of the last message of `peer` back to it.
  package func release(from peer: Rank) throws(FabricError) {
    let channel = try channel(incoming, peer)
    let place = (channel + Self.releasedOffset).assumingMemoryBound(to: UInt64.self)
    cmpi_store_release(place, received[peer.index])
  }

  private func channel(_ side: [UnsafeMutableRawPointer?], _ peer: Rank) throws(FabricError) -> UnsafeMutableRawPointer
  {
    guard side.indices.contains(peer.index), let channel = side[peer.index] else {
      throw .noSuchRank(peer.index, size: communicator.size)
    }
    return channel
  }

  private static func number(_ channel: UnsafeMutableRawPointer, _ offset: Int) -> UInt64 {
    cmpi_load_acquire((channel + offset).assumingMemoryBound(to: UInt64.self))
  }
}
