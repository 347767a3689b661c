import Fabric
import Machine
import Telemetry

/// A communicator that leaves everything to another one, but for what a conforming type says itself.
///
/// A protocol, since Swift lets no module but its own subclass a class that is not open, and one of package types
/// cannot be.
package protocol ForwardingCommunicator: Communicator {
  var base: any Communicator { get }
}

extension ForwardingCommunicator {
  package var rank: Rank { base.rank }
  package var size: Int { base.size }
  package var hostName: String { base.hostName }
  package var ranksOnHost: [Rank] { base.ranksOnHost }
  package var stallLimit: Duration? {
    get { base.stallLimit }
    set { base.stallLimit = newValue }
  }
  package var yieldsWhileWaiting: Bool {
    get { base.yieldsWhileWaiting }
    set { base.yieldsWhileWaiting = newValue }
  }
  package var sleepsWhileWaiting: Bool {
    get { base.sleepsWhileWaiting }
    set { base.sleepsWhileWaiting = newValue }
  }
  package var whileWaiting: (any Polled)? {
    get { base.whileWaiting }
    set { base.whileWaiting = newValue }
  }
  package var progress: StepProgress? {
    get { base.progress }
    set { base.progress = newValue }
  }
  package var bytesSent: Int { base.bytesSent }
  package var messagesSent: Int { base.messagesSent }

  package func startSend(
    _ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try base.startSend(bytes, to: peer, tag: tag)
  }
  package func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try base.startReceive(into: buffer, from: peer, tag: tag)
  }
  package func poll() throws(FabricError) { try base.poll() }
  package func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool { try base.isComplete(request) }
  @discardableResult
  package func wait(_ request: PendingRequest) throws(FabricError) -> Int { try base.wait(request) }

  package func barrier() throws(FabricError) { try base.barrier() }
  package func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try base.broadcast(&bytes, from: root, limit: limit)
  }
  package func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]? {
    try base.gather(bytes, to: root, limit: limit)
  }
  package func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]] {
    try base.allGather(bytes, limit: limit)
  }
  package func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64] {
    try base.allReduce(values, reduction)
  }
  package func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount)
  }

  package func abort(_ message: String, status: Int32) -> Never { base.abort(message, status: status) }
  package func finalize() throws(FabricError) { try base.finalize() }
}
