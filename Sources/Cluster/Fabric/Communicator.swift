import Machine
import Telemetry

/// The ranks of one run and the messages between them. All calls on one communicator come from one thread.
///
/// Messages between two ranks with one tag arrive in the order sent. Operations marked *collective* must be called by
/// every rank, in the same order.
package protocol Communicator: AnyObject {
  var rank: Rank { get }
  var size: Int { get }
  /// The host's name, and the ranks on this host in ascending order, this one included.
  var hostName: String { get }
  var ranksOnHost: [Rank] { get }
  /// How long a wait may go without completing before it throws `stalled`; nil (the start value) waits for ever.
  var stallLimit: Duration? { get set }
  /// Whether a wait offers its core to other threads from its start, not only after some time: for ranks that share
  /// cores. False at first.
  var yieldsWhileWaiting: Bool { get set }

  /// Whether a wait that lasts sleeps more and more, up to a millisecond at a time: for one that may take hours. False
  /// at first.
  var sleepsWhileWaiting: Bool { get set }
  /// What a wait moves on between two looks at what it waits for, for a moment; nil at first.
  var whileWaiting: (any Polled)? { get set }
  /// Where waits are noted for other threads; nil at first.
  var progress: StepProgress? { get set }

  /// Starts to send `bytes`, which must stay valid and unchanged until the request completes: the owner needs
  /// `withExtendedLifetime`, or a longer life by design, as Swift may free it after its last mention.
  func startSend(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws(FabricError) -> PendingRequest
  /// Starts to receive one message of at most `buffer.count` bytes; the buffer must stay valid until it completes.
  func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest
  /// Moves messages along without waiting.
  func poll() throws(FabricError)
  /// Whether `wait` would return at once; moves this request along. A failed request is complete.
  func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool
  /// Waits for completion, frees the request and returns the bytes received (or sent).
  @discardableResult
  func wait(_ request: PendingRequest) throws(FabricError) -> Int

  /// Returns when every rank has called it. Collective.
  func barrier() throws(FabricError)
  /// Replaces `bytes` on every rank by the root's, of any length up to `limit`. Collective.
  func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError)
  /// Every rank's bytes in rank order, on the root alone; nil elsewhere. At most `limit` bytes together. Collective.
  func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]?
  /// Every rank's bytes in rank order, on every rank. At most `limit` bytes together. Collective.
  func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]]
  /// Element by element over all ranks, the same result on each. Collective; all ranks pass the same count.
  func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64]

  /// Memory that all ranks of this host see: where each rank's `byteCount` bytes lie, in the order of `ranksOnHost`,
  /// each aligned to 64 bytes and zero; nil on every rank of the run where some cannot have it. It lives as long as the
  /// communicator. Collective.
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]?

  /// Prints the message and ends the whole run with `status` for what the processes end with.
  func abort(_ message: String, status: Int32) -> Never
  /// Leaves the run in good order. Collective; the communicator must not be used afterwards.
  func finalize() throws(FabricError)

  /// Payload that `startSend` handed to other ranks since the start: not to itself, and not for collectives.
  var bytesSent: Int { get }
  var messagesSent: Int { get }
}

/// How the ranks' integers become one.
package enum Reduction: Sendable {
  /// Addition that wraps around.
  case sum
  case min
  case max
}

extension Communicator {
  /// The greatest payload of one message: MPI counts are 32-bit.
  package static var messageByteLimit: Int { Int(Int32.max) }
  /// The bound on what a collective accepts in total unless told otherwise: 1 GiB.
  package static var collectiveByteLimit: Int { 1 << 30 }

  // Those that do not wait themselves have nothing to note.
  package var sleepsWhileWaiting: Bool {
    get { false }
    set { _ = newValue }
  }
  package var whileWaiting: (any Polled)? {
    get { nil }
    set { _ = newValue }
  }
  package var progress: StepProgress? {
    get { nil }
    set { _ = newValue }
  }

  package func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? { nil }

  package var isRoot: Bool { rank.index == 0 }
  /// This rank's place among those of its host.
  package var localRank: Int { ranksOnHost.firstIndex(of: rank) ?? 0 }
  package var localSize: Int { ranksOnHost.count }

  /// As above, of at most `collectiveByteLimit` bytes.
  package func broadcast(_ bytes: inout [UInt8], from root: Rank) throws(FabricError) {
    try broadcast(&bytes, from: root, limit: Self.collectiveByteLimit)
  }

  /// As above, of at most `collectiveByteLimit` bytes together.
  package func gather(_ bytes: [UInt8], to root: Rank) throws(FabricError) -> [[UInt8]]? {
    try gather(bytes, to: root, limit: Self.collectiveByteLimit)
  }

  /// As above, of at most `collectiveByteLimit` bytes together.
  package func allGather(_ bytes: [UInt8]) throws(FabricError) -> [[UInt8]] {
    try allGather(bytes, limit: Self.collectiveByteLimit)
  }

  /// Of one number a rank, `value`: the greatest, least or sum, on every rank. Collective.
  package func allReduce(_ value: Int64, _ reduction: Reduction) throws(FabricError) -> Int64 {
    let reduced = try allReduce([value], reduction)
    guard reduced.count == 1 else { throw .mismatchedCounts(call: "allReduce") }
    return reduced[0]
  }

  /// The same by name.
  package func allReduceMax(_ value: Int64) throws(FabricError) -> Int64 { try allReduce(value, .max) }
  package func allReduceMin(_ value: Int64) throws(FabricError) -> Int64 { try allReduce(value, .min) }
  package func allReduceSum(_ value: Int64) throws(FabricError) -> Int64 { try allReduce(value, .sum) }

  /// Throws unless a message of these properties may be started.
  func check(peer: Rank, tag: MessageTag, byteCount: Int) throws(FabricError) {
    try check(root: peer)
    guard tag.value >= 0, tag.value <= MessageTag.limit else { throw .invalidTag(tag.value) }
    guard byteCount <= Self.messageByteLimit else {
      throw .messageTooLarge(byteCount: byteCount, limit: Self.messageByteLimit)
    }
  }

  func check(root: Rank) throws(FabricError) {
    guard root.index >= 0, root.index < size else { throw .noSuchRank(root.index, size: size) }
  }

  /// The sum of the parts' lengths, when it stays within the limit.
  func checkedTotal(_ lengths: [Int64], limit: Int) throws(FabricError) -> Int {
    let limit = min(limit, Self.messageByteLimit)
    var total = 0
    for (index, length) in lengths.enumerated() {
      guard length >= 0 else { throw .malformedMessage(from: Rank(index), reason: "it announces \(length) bytes") }
      guard length <= limit else { throw .messageTooLarge(byteCount: Int(length), limit: limit) }
      total += Int(length)
      guard total <= limit else { throw .messageTooLarge(byteCount: total, limit: limit) }
    }
    return total
  }
}
