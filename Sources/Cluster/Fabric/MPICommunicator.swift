internal import CMPIShims
internal import Glibc
import Machine
import Telemetry

/// The ranks of an MPI job. Made and used on one thread only; at most once in a process.
package final class MPICommunicator: Communicator {
  package let rank: Rank
  package let size: Int
  package let hostName: String
  package let ranksOnHost: [Rank]
  package var stallLimit: Duration?
  package private(set) var bytesSent = 0
  package private(set) var messagesSent = 0
  package var yieldsWhileWaiting = false
  package var sleepsWhileWaiting = false
  package var whileWaiting: (any Polled)?
  package var progress: StepProgress?
  /// Shared memory, and the communicators of one host that it was made with.
  var windows: [(window: MPI_Win?, host: MPI_Comm?)] = []

  let world: MPI_Comm
  private let table = RequestTable()
  /// Messages to itself do not go through MPI: Open MPI 4.1 cuts one short without an error when its receive, posted
  /// before, has too little room.
  private let ownMessages: LocalMailboxes

  /// Starts MPI and joins the job. Collective.
  package init() throws(FabricError) {
    var provided: Int32 = 0
    try checkMPI("MPI_Init_thread", MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided))
    world = cmpi_comm_world()
    // Without this a failed call ends the process before anybody can say what it was.
    try checkMPI("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(world, cmpi_errors_return()))
    guard provided >= Int32(MPI_THREAD_FUNNELED) else { throw .threadsNotSupported(provided: provided) }
    var rank: Int32 = 0
    var size: Int32 = 0
    try checkMPI("MPI_Comm_rank", MPI_Comm_rank(world, &rank))
    try checkMPI("MPI_Comm_size", MPI_Comm_size(world, &size))
    self.rank = Rank(Int(rank))
    self.size = Int(size)
    ownMessages = .ofOneRank(self.rank, size: self.size)
    hostName = try Self.processorName()
    ranksOnHost = try Self.ranksOnHost(of: world, rank: rank)
  }

  package func startSend(
    _ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try check(peer: peer, tag: tag, byteCount: bytes.count)
    if peer == rank { return try ownMessages.startSend(bytes, from: rank, to: rank, tag: tag.value).inOwnMessages }
    let request = table.take(isReceive: false, byteCount: bytes.count, peer: peer, tag: tag)
    let code = MPI_Isend(
      bytes.addressForMPI, Int32(bytes.count), cmpi_byte(), Int32(peer.index), tag.value, world,
      table.requests + Int(request.slot))
    try started(request, "MPI_Isend", code)
    bytesSent += bytes.count
    messagesSent += 1
    return request
  }

  package func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    // A buffer of any size will do: no message exceeds the limit.
    let capacity = min(buffer.count, Self.messageByteLimit)
    try check(peer: peer, tag: tag, byteCount: capacity)
    if peer == rank {
      return try ownMessages.startReceive(into: buffer, on: rank, from: rank, tag: tag.value).inOwnMessages
    }
    let request = table.take(isReceive: true, byteCount: capacity, peer: peer, tag: tag)
    let code = MPI_Irecv(
      buffer.addressForMPI, Int32(capacity), cmpi_byte(), Int32(peer.index), tag.value, world,
      table.requests + Int(request.slot))
    try started(request, "MPI_Irecv", code)
    return request
  }

  package func poll() throws(FabricError) {
    guard table.usedCount > 0 else { return }
    var count: Int32 = 0
    let code = MPI_Testsome(Int32(table.highWater), table.requests, &count, table.indices, table.statuses)
    guard code == MPI_SUCCESS || code == MPI_ERR_IN_STATUS else { throw mpiError("MPI_Testsome", code) }
    // MPI_UNDEFINED, which is negative, means that no request is active.
    for reported in 0..<max(0, Int(count)) {
      let failure = code == MPI_ERR_IN_STATUS ? table.statuses[reported].MPI_ERROR : Int32(MPI_SUCCESS)
      // Pending means that MPI looked at this one after another had failed.
      guard failure != MPI_ERR_PENDING else { continue }
      table.complete(Int(table.indices[reported]), code: failure, status: &table.statuses[reported])
    }
  }

  package func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool {
    if request.isInOwnMessages { return try ownMessages.isComplete(request.inOwnMessages, on: rank) }
    return test(try table.index(of: request))
  }

  @discardableResult
  package func wait(_ request: PendingRequest) throws(FabricError) -> Int {
    if request.isInOwnMessages { return try ownMessages.wait(request.inOwnMessages, on: rank, limit: nil) }
    let index = try table.index(of: request)
    var waiting = Waiting(on: self, for: table.entries[index].peer)
    defer { waiting.end() }
    while !test(index) {
      if waiting.isOver() { throw .stalled(waiting: description(of: index), limit: waiting.limit) }
    }
    let entry = table.entries[index]
    table.release(index)
    if entry.code == MPI_SUCCESS { return entry.byteCount }
    if entry.isReceive, errorClass(entry.code) == MPI_ERR_TRUNCATE {
      throw .messageTruncated(from: entry.peer, tag: entry.tag, capacity: entry.byteCount)
    }
    throw mpiError(entry.isReceive ? "MPI_Irecv from \(entry.peer)" : "MPI_Isend to \(entry.peer)", entry.code)
  }

  package func abort(_ message: String, status: Int32) -> Never {
    printError(message)
    // Some launchers report only the low byte of the status: never let that be a success.
    _ = MPI_Abort(world, status & 0xff == 0 ? 1 : status)
    exit(status & 0xff == 0 ? 1 : status)
  }

  package func finalize() throws(FabricError) {
    let unfinished = table.usedCount + ownMessages.unfinishedCount(on: rank)
    guard unfinished == 0 else { throw .unfinishedRequests(rank: rank, count: unfinished) }
    try freeWindows()
    try checkMPI("MPI_Finalize", MPI_Finalize())
  }

  private func started(_ request: PendingRequest, _ call: StaticString, _ code: Int32) throws(FabricError) {
    guard code != MPI_SUCCESS else { return }
    table.release(Int(request.slot))
    throw mpiError("\(call)", code)
  }

  private func test(_ index: Int) -> Bool {
    if table.entries[index].isDone { return true }
    var flag: Int32 = 0
    var status = MPI_Status()
    let code = MPI_Test(table.requests + index, &flag, &status)
    guard code != MPI_SUCCESS || flag != 0 else { return false }
    table.complete(index, code: code, status: &status)
    return true
  }

  private func errorClass(_ code: Int32) -> Int32 {
    var found: Int32 = 0
    return MPI_Error_class(code, &found) == MPI_SUCCESS ? found : code
  }

  private func description(of index: Int) -> String {
    let entry = table.entries[index]
    let direction = entry.isReceive ? "a receive from" : "a send to"
    return "\(direction) \(entry.peer) with \(entry.tag), \(entry.byteCount) bytes, on \(rank)"
  }

  private static func processorName() throws(FabricError) -> String {
    let capacity = Int(MPI_MAX_PROCESSOR_NAME)
    var code: Int32 = 0
    let name = String(unsafeUninitializedCapacity: capacity) { text in
      text.initialize(repeating: 0)
      var length: Int32 = 0
      code = text.withMemoryRebound(to: CChar.self) { MPI_Get_processor_name($0.baseAddress, &length) }
      return max(0, min(Int(length), capacity))
    }
    try checkMPI("MPI_Get_processor_name", code)
    return name
  }

  /// The world's ranks that share memory with this one.
  private static func ranksOnHost(of world: MPI_Comm, rank: Int32) throws(FabricError) -> [Rank] {
    var host: MPI_Comm? = cmpi_comm_null()
    try checkMPI(
      "MPI_Comm_split_type", MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), rank, cmpi_info_null(), &host))
    var count: Int32 = 0
    try checkMPI("MPI_Comm_size", MPI_Comm_size(host, &count))
    var mine = Int64(rank)
    var ranks = [Int64](repeating: 0, count: Int(count))
    try checkMPI("MPI_Allgather", MPI_Allgather(&mine, 1, cmpi_int64(), &ranks, 1, cmpi_int64(), host))
    try checkMPI("MPI_Comm_free", MPI_Comm_free(&host))
    return ranks.map { Rank(Int($0)) }.sorted()
  }
}

extension PendingRequest {
  fileprivate var isInOwnMessages: Bool { slot < 0 }
  /// The handle as the other table knows it: slots of messages to itself are told by their sign.
  fileprivate var inOwnMessages: PendingRequest { PendingRequest(slot: ~slot, generation: generation) }
}
