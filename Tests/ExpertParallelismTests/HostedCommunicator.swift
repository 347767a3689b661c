import Fabric

/// A communicator of ranks that are several to a host, which all but messages and shared memory are blind to.
final class HostedCommunicator: Communicator {
  private let base: any Communicator
  let ranksOnHost: [Rank]

  init(_ base: any Communicator, ranksPerHost: Int) {
    self.base = base
    let first = base.rank.index / ranksPerHost * ranksPerHost
    ranksOnHost = (first..<min(first + ranksPerHost, base.size)).map { Rank($0) }
  }

  var rank: Rank { base.rank }
  var size: Int { base.size }
  var hostName: String { "host\(ranksOnHost[0].index)" }
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
    try base.startSend(bytes, to: peer, tag: tag)
  }
  func startReceive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag
  ) throws(FabricError) -> PendingRequest {
    try base.startReceive(into: buffer, from: peer, tag: tag)
  }
  func poll() throws(FabricError) { try base.poll() }
  func isComplete(_ request: PendingRequest) throws(FabricError) -> Bool { try base.isComplete(request) }
  func wait(_ request: PendingRequest) throws(FabricError) -> Int { try base.wait(request) }
  func barrier() throws(FabricError) { try base.barrier() }
  func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try base.broadcast(&bytes, from: root, limit: limit)
  }
  func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]? {
    try base.gather(bytes, to: root, limit: limit)
  }
  func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]] { try base.allGather(bytes, limit: limit) }
  func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64] {
    try base.allReduce(values, reduction)
  }
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount).map { all in ranksOnHost.map { all[$0.index] } }
  }
  func abort(_ message: String, status: Int32) -> Never { base.abort(message, status: status) }
  func finalize() throws(FabricError) { try base.finalize() }
}
