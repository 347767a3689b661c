internal import Glibc
import Telemetry

/// What the ranks of one process share: messages not yet received, receives not yet met, and every request's state.
///
/// One lock guards it all. Like MPI, it copies small messages at once, and lets a larger send complete only when its
/// receive has been posted: a program that works here does not rely on buffering.
final class LocalMailboxes: @unchecked Sendable {
  struct Request {
    var generation: UInt32 = 0
    var isUsed = false
    var isDone = false
    var isReceive = false
    var byteCount = 0
    var peer = Rank(0)
    var tag: Int32 = 0
    var buffer: UnsafeMutableRawBufferPointer?
    var failure: FabricError?
  }

  private enum Payload {
    case copied([UInt8])
    /// The bytes still lie with the sender, whose request in this slot is not complete.
    case inPlace(UnsafeRawBufferPointer, slot: Int)
  }

  private struct Message {
    let source: Rank
    let tag: Int32
    let payload: Payload
  }

  let size: Int
  private let eagerByteLimit: Int
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wakeUps: UnsafeMutablePointer<pthread_cond_t>
  private var requests: [[Request]]
  private var freeSlots: [[Int32]]
  /// Per receiving rank, in the order of sending.
  private var messages: [[Message]]
  /// Per receiving rank, slots in the order of posting.
  private var postedReceives: [[Int]]
  /// The slot a sleeping rank waits for, until that request completes.
  private var awaitedSlot: [Int?]
  private var hasEnded: [Bool]
  private var stop: FabricError?
  /// Memory of `allocateShared`.
  private var shared: [UnsafeMutableRawPointer] = []

  init(size: Int, eagerByteLimit: Int) {
    self.size = size
    self.eagerByteLimit = eagerByteLimit
    mutex = .allocate(capacity: 1)
    wakeUps = .allocate(capacity: size)
    pthread_mutex_init(mutex, nil)
    for rank in 0..<size { pthread_cond_init(wakeUps + rank, nil) }
    requests = Array(repeating: [], count: size)
    freeSlots = Array(repeating: [], count: size)
    messages = Array(repeating: [], count: size)
    postedReceives = Array(repeating: [], count: size)
    awaitedSlot = Array(repeating: nil, count: size)
    hasEnded = Array(repeating: false, count: size)
  }

  /// For what one rank sends to itself; the others are as good as gone, and its waiting in vain is a deadlock.
  static func ofOneRank(_ rank: Rank, size: Int) -> LocalMailboxes {
    let mailboxes = LocalMailboxes(size: size, eagerByteLimit: LocalFabric.defaultEagerByteLimit)
    for other in 0..<size where other != rank.index { mailboxes.hasEnded[other] = true }
    return mailboxes
  }

  /// Memory for as long as this lives, zero.
  func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(byteCount, 64))
    lock()
    defer { unlock() }
    shared.append(memory)
    return memory
  }

  deinit {
    for memory in shared { memory.deallocate() }
    for rank in 0..<size { pthread_cond_destroy(wakeUps + rank) }
    pthread_mutex_destroy(mutex)
    wakeUps.deallocate()
    mutex.deallocate()
  }

  func startSend(
    _ bytes: UnsafeRawBufferPointer, from rank: Rank, to peer: Rank, tag: Int32
  ) throws(FabricError) -> PendingRequest {
    lock()
    defer { unlock() }
    if let stop { throw stop }
    let request = take(rank, Request(isReceive: false, byteCount: bytes.count, peer: peer, tag: tag))
    let slot = Int(request.slot)
    let match = postedReceives[peer.index].firstIndex { posted in
      let receive = requests[peer.index][posted]
      return receive.peer == rank && receive.tag == tag
    }
    if let match {
      deliver(bytes, toSlot: postedReceives[peer.index].remove(at: match), of: peer)
      complete(slot, of: rank)
    } else if bytes.count <= eagerByteLimit {
      messages[peer.index].append(Message(source: rank, tag: tag, payload: .copied(Array(bytes))))
      complete(slot, of: rank)
    } else {
      messages[peer.index].append(Message(source: rank, tag: tag, payload: .inPlace(bytes, slot: slot)))
    }
    return request
  }

  func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, on rank: Rank, from peer: Rank, tag: Int32
  ) throws(FabricError) -> PendingRequest {
    lock()
    defer { unlock() }
    if let stop { throw stop }
    var receive = Request(isReceive: true, byteCount: buffer.count, peer: peer, tag: tag)
    receive.buffer = buffer
    let request = take(rank, receive)
    let slot = Int(request.slot)
    guard let match = messages[rank.index].firstIndex(where: { $0.source == peer && $0.tag == tag }) else {
      postedReceives[rank.index].append(slot)
      return request
    }
    switch messages[rank.index].remove(at: match).payload {
    case .copied(let bytes): bytes.withUnsafeBytes { deliver($0, toSlot: slot, of: rank) }
    case .inPlace(let bytes, let senderSlot):
      deliver(bytes, toSlot: slot, of: rank)
      complete(senderSlot, of: peer)
    }
    return request
  }

  /// Throws when the run has stopped.
  func checkRunning() throws(FabricError) {
    lock()
    defer { unlock() }
    if let stop { throw stop }
  }

  func isComplete(_ request: PendingRequest, on rank: Rank) throws(FabricError) -> Bool {
    lock()
    defer { unlock() }
    let slot = try slot(of: request, on: rank)
    if requests[rank.index][slot].isDone { return true }
    if let stop { throw stop }
    return false
  }

  func wait(
    _ request: PendingRequest, on rank: Rank, limit: Duration?, progress: StepProgress? = nil
  ) throws(FabricError) -> Int {
    lock()
    defer { unlock() }
    let slot = try slot(of: request, on: rank)
    // A request that is complete is not waited for.
    let progress = requests[rank.index][slot].isDone ? nil : progress
    progress?.wait(for: requests[rank.index][slot].peer.index)
    defer { progress?.endWait() }
    let deadline = limit.map(Self.time(after:))
    while !requests[rank.index][slot].isDone {
      if let stop { throw stop }
      awaitedSlot[rank.index] = slot
      if nobodyCanMove {
        fail(with: .deadlock(rank: rank, waiting: describe(slot, of: rank)))
        continue
      }
      let outcome: Int32
      if var deadline {
        outcome = pthread_cond_timedwait(wakeUps + rank.index, mutex, &deadline)
      } else {
        outcome = pthread_cond_wait(wakeUps + rank.index, mutex)
      }
      if outcome == ETIMEDOUT, let limit, !requests[rank.index][slot].isDone {
        awaitedSlot[rank.index] = nil
        throw .stalled(waiting: describe(slot, of: rank), limit: limit)
      }
    }
    let entry = requests[rank.index][slot]
    requests[rank.index][slot].isUsed = false
    requests[rank.index][slot].generation &+= 1
    freeSlots[rank.index].append(request.slot)
    if let failure = entry.failure { throw failure }
    return entry.byteCount
  }

  /// How many requests of the rank were started and not waited for.
  func unfinishedCount(on rank: Rank) -> Int {
    lock()
    defer { unlock() }
    return requests[rank.index].count { $0.isUsed }
  }

  /// The first rank that messages are still waiting for, and their number.
  func unreceived() -> (rank: Rank, count: Int)? {
    lock()
    defer { unlock() }
    return messages.firstIndex { !$0.isEmpty }.map { (Rank($0), messages[$0].count) }
  }

  /// Notes that a rank's body has returned or thrown; peers of a failed rank stop.
  func end(_ rank: Rank, failed: Bool) {
    lock()
    defer { unlock() }
    hasEnded[rank.index] = true
    if failed {
      fail(with: .peerStopped(rank))
    } else if nobodyCanMove, let stuck = awaitedSlot.firstIndex(where: { $0 != nil }),
      let slot = awaitedSlot[stuck]
    {
      fail(with: .deadlock(rank: Rank(stuck), waiting: describe(slot, of: Rank(stuck))))
    }
  }

  // Below, the lock is held.

  private var nobodyCanMove: Bool { (0..<size).allSatisfy { hasEnded[$0] || awaitedSlot[$0] != nil } }

  private func fail(with error: FabricError) {
    guard stop == nil else { return }
    stop = error
    for rank in 0..<size {
      awaitedSlot[rank] = nil
      pthread_cond_signal(wakeUps + rank)
    }
  }

  private func take(_ rank: Rank, _ request: Request) -> PendingRequest {
    var request = request
    request.isUsed = true
    guard let slot = freeSlots[rank.index].popLast() else {
      requests[rank.index].append(request)
      return PendingRequest(slot: Int32(requests[rank.index].count - 1), generation: 0)
    }
    request.generation = requests[rank.index][Int(slot)].generation
    requests[rank.index][Int(slot)] = request
    return PendingRequest(slot: slot, generation: request.generation)
  }

  private func slot(of request: PendingRequest, on rank: Rank) throws(FabricError) -> Int {
    let slot = Int(request.slot)
    guard requests[rank.index].indices.contains(slot), requests[rank.index][slot].isUsed,
      requests[rank.index][slot].generation == request.generation
    else { throw .unknownRequest }
    return slot
  }

  private func deliver(_ bytes: UnsafeRawBufferPointer, toSlot slot: Int, of rank: Rank) {
    let receive = requests[rank.index][slot]
    let capacity = receive.buffer?.count ?? 0
    if bytes.count > capacity {
      requests[rank.index][slot].failure = .messageTruncated(
        from: receive.peer, tag: MessageTag(receive.tag), capacity: capacity)
    } else {
      if bytes.count > 0 { receive.buffer?.copyMemory(from: bytes) }
      requests[rank.index][slot].byteCount = bytes.count
    }
    complete(slot, of: rank)
  }

  private func complete(_ slot: Int, of rank: Rank) {
    requests[rank.index][slot].isDone = true
    guard awaitedSlot[rank.index] == slot else { return }
    awaitedSlot[rank.index] = nil
    pthread_cond_signal(wakeUps + rank.index)
  }

  private func describe(_ slot: Int, of rank: Rank) -> String {
    let request = requests[rank.index][slot]
    let direction = request.isReceive ? "a receive from" : "a send to"
    let tag = request.tag < 0 ? "in a collective" : "with tag \(request.tag)"
    return "\(direction) \(request.peer) \(tag), \(request.byteCount) bytes, on \(rank)"
  }

  private static func time(after limit: Duration) -> timespec {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let (seconds, attoseconds) = min(limit, .seconds(1 << 30)).components
    time.tv_sec += Int(seconds)
    time.tv_nsec += Int(attoseconds / 1_000_000_000)
    if time.tv_nsec >= 1_000_000_000 {
      time.tv_sec += 1
      time.tv_nsec -= 1_000_000_000
    }
    return time
  }

  private func lock() { pthread_mutex_lock(mutex) }
  private func unlock() { pthread_mutex_unlock(mutex) }
}
