import Fabric
import ForwardingCommunicator

/// A communicator that says its rank is alone on its host.
final class LonelyCommunicator: ForwardingCommunicator {
  let base: any Communicator
  init(_ base: any Communicator) { self.base = base }

  var hostName: String { "host\(base.rank.index)" }
  var ranksOnHost: [Rank] { [base.rank] }
  func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? { nil }
}
