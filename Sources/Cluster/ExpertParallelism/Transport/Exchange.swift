import Fabric

/// One kind of message between ranks, at most one under way from each to each.
protocol Exchange: AnyObject {
  /// Where to write a message of `byteCount` bytes to `peer`, aligned to 64 bytes.
  func room(to peer: Rank, byteCount: Int) throws -> UnsafeMutableRawPointer

  /// Sends what was written to the room of `contents.byteCount` bytes.
  func send(_ contents: MessageContents, to peer: Rank) throws

  /// Gets ready for a message of at most `limit` bytes from `peer`.
  func expect(from peer: Rank, limit: Int) throws

  /// Whether messages from `peer` come without MPI, so that nobody has to poll for them.
  func isShared(with peer: Rank) -> Bool

  /// Whether the message expected from `peer` is here, or will be without a wait for the network.
  func hasArrived(from peer: Rank) throws -> Bool

  /// Waits for the message expected from `peer`. It stays where it is until `release`.
  func receive(from peer: Rank, layer: Int) throws -> UnsafeMutableRawBufferPointer

  /// Ends the use of the last message from `peer`.
  func release(from peer: Rank) throws

  /// Whether something sent has not left yet.
  var isSending: Bool { get }

  /// Waits until what was sent may be written to again.
  func finishSends() throws
}

/// What is in a message that is about to be sent, for accounts.
struct MessageContents {
  /// Where it lies, and its length.
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  let layer: Int
  /// Tokens it is about.
  let tokenCount: Int
  /// Rows `[hidden]` in it, and the bytes of one.
  let rowCount: Int
  let rowByteCount: Int
}
