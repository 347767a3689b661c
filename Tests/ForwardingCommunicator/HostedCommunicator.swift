import Fabric

/// A communicator of ranks that are several to a host, which all but messages and shared memory are blind to.
package final class HostedCommunicator: ForwardingCommunicator {
  package let base: any Communicator
  package let ranksOnHost: [Rank]

  package init(_ base: any Communicator, ranksPerHost: Int) {
    self.base = base
    let first = base.rank.index / ranksPerHost * ranksPerHost
    ranksOnHost = (first..<min(first + ranksPerHost, base.size)).map { Rank($0) }
  }

  package var hostName: String { "host\(ranksOnHost[0].index)" }
  package func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    try base.allocateShared(byteCount: byteCount).map { all in ranksOnHost.map { all[$0.index] } }
  }
}
