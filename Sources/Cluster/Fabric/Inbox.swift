/// Brings a message of every rank to rank 0, without the ranks meeting: a sender goes on as soon as its message is
/// under way, and rank 0 learns when each arrived.
///
/// A message starts with its length in 8 bytes, little-endian. What does not fit into the first part follows in a
/// second.
package final class Inbox {
  private static let firstPart = 1 << 14

  private let communicator: any Communicator
  private let tag: MessageTag
  private var buffers: [UnsafeMutableRawBufferPointer]
  private var requests: [PendingRequest?]

  /// For one kind of message; no other may use the tag.
  package init(_ communicator: any Communicator, tag: MessageTag) {
    self.communicator = communicator
    self.tag = tag
    let parts = communicator.isRoot ? communicator.size : 1
    buffers = (0..<parts).map { _ in .allocate(byteCount: 8 + Self.firstPart, alignment: 8) }
    requests = Array(repeating: nil, count: communicator.size)
  }

  deinit { for buffer in buffers { buffer.deallocate() } }

  /// Sends this rank's bytes; for every rank but 0.
  package func send(_ bytes: [UInt8]) throws(FabricError) {
    let first = min(bytes.count, Self.firstPart)
    buffers[0].storeBytes(of: Int64(bytes.count).littleEndian, as: Int64.self)
    bytes.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(rebasing: buffers[0][8...]).copyMemory(from: .init(rebasing: $0.prefix(first)))
    }
    try communicator.wait(
      try communicator.startSend(UnsafeRawBufferPointer(rebasing: buffers[0][..<(8 + first)]), to: Rank(0), tag: tag))
    guard bytes.count > first else { return }
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(FabricError) in
        try communicator.wait(
          try communicator.startSend(UnsafeRawBufferPointer(rebasing: bytes[first...]), to: Rank(0), tag: tag))
      }
    }
    _ = try result.get()
  }

  /// Gets ready for the messages of all other ranks; on rank 0, before they may be awaited.
  package func open() throws(FabricError) {
    for rank in buffers.indices.dropFirst() {
      requests[rank] = try communicator.startReceive(into: buffers[rank], from: Rank(rank), tag: tag)
    }
  }

  /// The message of one rank, of at most `limit` bytes; on rank 0, once for each other rank.
  package func receive(from rank: Rank, limit: Int) throws(FabricError) -> [UInt8] {
    guard let request = requests[rank.index] else { throw .unknownRequest }
    requests[rank.index] = nil
    let received = try communicator.wait(request)
    guard received >= 8 else { throw .malformedMessage(from: rank, reason: "\(received) bytes hold no length") }
    let buffer = buffers[rank.index]
    let count = Int(Int64(littleEndian: buffer.load(as: Int64.self)))
    guard count >= 0, min(count, Self.firstPart) == received - 8 else {
      throw .malformedMessage(from: rank, reason: "it announces \(count) bytes and begins with \(received - 8)")
    }
    guard count <= limit else { throw .messageTooLarge(byteCount: count, limit: limit) }
    var bytes = Array(buffer[8..<received])
    guard count > bytes.count else { return bytes }
    let rest = UnsafeMutableRawBufferPointer.allocate(byteCount: count - bytes.count, alignment: 8)
    defer { rest.deallocate() }
    let second = try communicator.wait(try communicator.startReceive(into: rest, from: rank, tag: tag))
    guard second == rest.count else {
      throw .malformedMessage(from: rank, reason: "\(second) bytes follow instead of \(rest.count)")
    }
    bytes.append(contentsOf: rest)
    return bytes
  }
}
