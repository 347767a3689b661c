internal import CMPIShims

/// Messages from ranks of other hosts that one rank of this host, the sender's *gateway*, receives for all: into memory
/// they share, where each reads what concerns it.
///
/// There is room for one message of each sender. A gateway waits until all ranks of its host have released the last
/// one.
package final class HostInboxes {
  /// Memory of all inboxes of a host together, at most.
  private static let hostBudget = 512 << 20
  private static let publishedOffset = 0
  private static let lengthOffset = 8
  /// Each reader's number lies on a line of its own.
  private static let releasedOffset = 64

  private let communicator: any Communicator
  package let capacity: Int
  private let headerBytes: Int
  /// By sender; nil for ranks of this host.
  private let gateways: [Rank?]
  private var places: [UnsafeMutableRawPointer?]
  /// By sender: messages begun, by its gateway, and received.
  private var begun: [UInt64]
  private var received: [UInt64]

  /// Room for messages of up to `byteCount` bytes, or less where senders are many; `gateways`, by sender, are ranks of
  /// this host and the same on all of them, nil for its own ranks. Nil on all ranks where there is no shared memory.
  /// Collective.
  package init?(_ communicator: any Communicator, gateways: [Rank?], byteCount: Int) throws(FabricError) {
    self.communicator = communicator
    self.gateways = gateways
    places = Array(repeating: nil, count: communicator.size)
    begun = Array(repeating: 0, count: communicator.size)
    received = begun
    let local = communicator.ranksOnHost
    headerBytes = Self.releasedOffset + 64 * local.count
    let slots = local.map { rank in gateways.count { $0 == rank } }.max() ?? 0
    let room = min(byteCount, Self.hostBudget / max(1, local.count * slots) - headerBytes)
    capacity = Int(try communicator.allReduceMin(Int64(room))) / 64 * 64
    let stride = headerBytes + capacity
    guard capacity > 0, let memory = try communicator.allocateShared(byteCount: stride * max(1, slots)) else {
      return nil
    }
    for (index, rank) in local.enumerated() {
      for (slot, sender) in gateways.indices.filter({ gateways[$0] == rank }).enumerated() {
        places[sender] = memory[index] + slot * stride
      }
    }
  }

  /// Waits until the last message of `sender` was released by all; returns the room for the next one. For its gateway.
  package func begin(from sender: Rank) throws(FabricError) -> UnsafeMutableRawBufferPointer {
    let place = try place(of: sender)
    for (index, reader) in communicator.ranksOnHost.enumerated() where reader != communicator.rank {
      let count = begun[sender.index]
      try communicator.wait(for: reader) { Self.number(place, Self.releasedOffset + 64 * index) == count }
    }
    begun[sender.index] += 1
    return UnsafeMutableRawBufferPointer(start: place + headerBytes, count: capacity)
  }

  /// Shows all ranks of this host the message of `byteCount` bytes received since `begin`. For its gateway.
  package func publish(from sender: Rank, byteCount: Int) throws(FabricError) {
    let place = try place(of: sender)
    place.storeBytes(of: UInt64(byteCount), toByteOffset: Self.lengthOffset, as: UInt64.self)
    cmpi_store_release(place.assumingMemoryBound(to: UInt64.self), begun[sender.index])
  }

  /// Waits for the next message of `sender`, which must not be written to.
  package func receive(from sender: Rank) throws(FabricError) -> UnsafeMutableRawBufferPointer {
    let place = try place(of: sender)
    guard let gateway = gateways[sender.index] else { throw noRoom(for: sender) }
    let expected = received[sender.index] + 1
    try communicator.wait(for: gateway) { Self.number(place, Self.publishedOffset) == expected }
    received[sender.index] = expected
    let count = place.load(fromByteOffset: Self.lengthOffset, as: UInt64.self)
    guard count <= UInt64(capacity) else {
      throw .malformedMessage(from: sender, reason: "it announces \(count) bytes")
    }
    return UnsafeMutableRawBufferPointer(start: place + headerBytes, count: Int(count))
  }

  /// Whether `receive` would return at once.
  package func hasArrived(from sender: Rank) -> Bool {
    guard let place = places[sender.index] else { return true }
    return Self.number(place, Self.publishedOffset) == received[sender.index] + 1
  }

  /// Gives the room of the last message of `sender` back to its gateway.
  package func release(from sender: Rank) throws(FabricError) {
    let offset = Self.releasedOffset + 64 * communicator.localRank
    let place = (try place(of: sender) + offset).assumingMemoryBound(to: UInt64.self)
    cmpi_store_release(place, received[sender.index])
  }

  private func place(of sender: Rank) throws(FabricError) -> UnsafeMutableRawPointer {
    guard places.indices.contains(sender.index), let place = places[sender.index] else {
      throw noRoom(for: sender)
    }
    return place
  }

  private func noRoom(for sender: Rank) -> FabricError { .noSuchRank(sender.index, size: communicator.size) }

  private static func number(_ place: UnsafeMutableRawPointer, _ offset: Int) -> UInt64 {
    cmpi_load_acquire((place + offset).assumingMemoryBound(to: UInt64.self))
  }
}
