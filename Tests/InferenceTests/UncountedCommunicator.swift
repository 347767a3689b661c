import AllocationCounter
import Fabric
import ForwardingCommunicator

/// A communicator whose own allocations do not count: the one of the tests copies messages, which MPI does elsewhere.
class UncountedCommunicator: ForwardingCommunicator {
  let base: any Communicator

  init(_ base: any Communicator) { self.base = base }

  private func uncounted<Result>(_ body: () throws(FabricError) -> Result) throws(FabricError) -> Result {
    let wasCounting = allocation_counter_pause()
    defer { allocation_counter_resume(wasCounting) }
    return try body()
  }

  func startSend(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws(FabricError) -> PendingRequest
  {
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
  /// Said here, too, so that a subclass can override it.
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount)
  }
}
