import AllocationCounter
import Fabric

/// A communicator whose own allocations do not count: the one of the tests copies messages, which MPI does elsewhere.
class UncountedCommunicator: Communicator {
  private let base: any Communicator

  init(_ base: any Communicator) { self.base = base }

  private func uncounted<Result>(_ body: () throws(FabricError) -> Result) throws(FabricError) -> Result {
    let wasCounting = allocation_counter_pause()
    defer { allocation_counter_resume(wasCounting) }
    return try body()
  }

  var rank: Rank { base.rank }
  var size: Int { base.size }
  var hostName: String { base.hostName }
  var ranksOnHost: [Rank] { base.ranksOnHost }
  var stallLimit: Duration? {
    get { base.stallLimit }
    set { base.stallLimit = newValue }
  }
  var yieldsWhileWaiting: Bool {
    get { base.yieldsWhileWaiting }
    set { base.yieldsWhileWaiting = newValue }
  }
  var bytesSent: Int { base.bytesSent }
  var messagesSent: Int { base.messagesSent }

  func startSend(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws(FabricError) -> PendingRequest {
    try uncounted { () throws(FabricError) in try base.startSend(bytes, to: peer, tag: tag) }
  }
  func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try uncounted { () throws(FabricError) in try base.startReceive(into: buffer, from: peer, tag: tag) }
  }
  func poll() throws(FabricError) { try uncounted { () throws(FabricError) in try base.poll() } }
  func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool {
    try uncounted { () throws(FabricError) in try base.isComplete(request) }
  }
  func wait(_ request: PendingRequest) throws(FabricError) -> Int {
    try uncounted { () throws(FabricError) in try base.wait(request) }
  }
  func barrier() throws(FabricError) { try base.barrier() }
  func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try base.broadcast(&bytes, from: root, limit: limit)
  }
  func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]? {
    try base.gather(bytes, to: root, limit: limit)
  }
  func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]] {
    try base.allGather(bytes, limit: limit)
  }
  func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64] {
    try base.allReduce(values, reduction)
  }
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount)
  }
  func abort(_ message: String, status: Int32) -> Never { base.abort(message, status: status) }
  func finalize() throws(FabricError) { try base.finalize() }
}
