internal import Glibc
import Machine
import Telemetry

/// One rank among several of this process, or the only rank of a run that no launcher started. Uses no MPI.
package final class LocalCommunicator: Communicator {
  package let rank: Rank
  package var size: Int { mailboxes.size }
  package let hostName: String
  package var ranksOnHost: [Rank] { (0..<size).map { Rank($0) } }
  package var stallLimit: Duration?
  /// Without effect: waiting threads sleep.
  package var yieldsWhileWaiting = false
  /// Waiting threads sleep, but nothing is noted of a wait that may take hours.
  package var sleepsWhileWaiting = false
  package var whileWaiting: (any Polled)?
  package var progress: StepProgress?
  package private(set) var bytesSent = 0
  package private(set) var messagesSent = 0
  let mailboxes: LocalMailboxes

  init(rank: Rank, mailboxes: LocalMailboxes) {
    self.rank = rank
    self.mailboxes = mailboxes
    hostName = Self.currentHostName()
  }

  /// Rank 0 of 1.
  package static func solo() -> LocalCommunicator {
    LocalCommunicator(
      rank: Rank(0), mailboxes: LocalMailboxes(size: 1, eagerByteLimit: LocalFabric.defaultEagerByteLimit))
  }

  package func startSend(
    _ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try check(peer: peer, tag: tag, byteCount: bytes.count)
    let request = try mailboxes.startSend(bytes, from: rank, to: peer, tag: tag.value)
    if peer != rank {
      bytesSent += bytes.count
      messagesSent += 1
    }
    return request
  }

  package func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try check(peer: peer, tag: tag, byteCount: 0)
    return try mailboxes.startReceive(into: buffer, on: rank, from: peer, tag: tag.value)
  }

  package func poll() throws(FabricError) { try mailboxes.checkRunning() }

  package func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool {
    if try mailboxes.isComplete(request, on: rank) { return true }
    // Ranks share cores here: one that asks again and again must let the others work.
    sched_yield()
    return false
  }

  @discardableResult
  package func wait(_ request: PendingRequest) throws(FabricError) -> Int {
    try mailboxes.wait(request, on: rank, limit: stallLimit, progress: sleepsWhileWaiting ? nil : progress)
  }

  package func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    var addresses = [Int64](repeating: 0, count: size)
    addresses[rank.index] = Int64(Int(bitPattern: mailboxes.allocate(byteCount: byteCount)))
    return try allReduce(addresses, .sum).map { address in
      guard let memory = UnsafeMutableRawPointer(bitPattern: Int(address)) else {
        preconditionFailure("a rank that allocated nothing")
      }
      return memory
    }
  }

  package func abort(_ message: String, status: Int32) -> Never {
    printError(message)
    exit(status & 0xff == 0 ? 1 : status)
  }

  package func finalize() throws(FabricError) {
    let count = mailboxes.unfinishedCount(on: rank)
    guard count == 0 else { throw .unfinishedRequests(rank: rank, count: count) }
  }

  private static func currentHostName() -> String {
    let capacity = 256
    let name = [CChar](unsafeUninitializedCapacity: capacity) { text, count in
      text.initialize(repeating: 0)
      // Leaves room for a terminator, which a name cut short would not have.
      if let start = text.baseAddress { _ = gethostname(start, capacity - 1) }
      count = capacity
    }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
