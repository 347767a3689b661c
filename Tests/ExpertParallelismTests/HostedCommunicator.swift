import Fabric
import ForwardingCommunicator

/// A communicator of ranks that are several to a host, which all but messages and shared memory are blind to.
final class HostedCommunicator: ForwardingCommunicator {
  let base: any Communicator
  let ranksOnHost: [Rank]

  init(_ base: any Communicator, ranksPerHost: Int) {
    self.base = base
    let first = base.rank.index / ranksPerHost * ranksPerHost
    ranksOnHost = (first..<min(first + ranksPerHost, base.size)).map { Rank($0) }
  }

  var hostName: String { "host\(ranksOnHost[0].index)" }
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount).map { all in ranksOnHost.map { all[$0.index] } }
  }
}
