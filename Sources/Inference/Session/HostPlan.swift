import Fabric
import Machine

/// Where one rank runs: its host's topology and the cores it was dealt.
package struct HostPlan: Sendable {
  package let topology: Topology
  package let assignment: CoreAssignment
  package let ranksOnHost: Int

  /// Gathers what every rank may use and deals out the cores of each host. Collective.
  package static func make(on communicator: any Communicator, threadsPerRank: Int?) throws -> HostPlan {
    let topology = try agree(on: communicator) { try Topology.discover() }
    var writer = ByteWriter()
    writer.write(topology.preferredCores.map { Int32($0) })
    let all = try communicator.allGather(writer.bytes)
    return try agree(on: communicator) {
      if let threadsPerRank {
        // Some tests and users want more threads than cores; hundreds would only be a typing error that takes minutes.
        let limit = max(64, 4 * topology.allowedCores.count)
        guard threadsPerRank <= limit else {
          throw InferenceError.tooManyThreads(threadsPerRank, cores: topology.allowedCores.count, limit: limit)
        }
      }
      let allowed = try communicator.ranksOnHost.map { rank in
        var reader = ByteReader(all[rank.index])
        return try reader.readInts().map { Int($0) }
      }
      let assignment = try CoreAssignment.divide(
        localRank: communicator.localRank, allowedCoresByLocalRank: allowed, nodes: topology.nodes,
        threadsPerRank: threadsPerRank)
      return HostPlan(topology: topology, assignment: assignment, ranksOnHost: communicator.localSize)
    }
  }

  /// The NUMA node of all its cores; nil where they lie on several.
  package var numaNode: Int? {
    let nodes = topology.nodes.filter { !Set($0.cores).isDisjoint(with: assignment.cores) }
    return nodes.count == 1 ? nodes[0].id : nil
  }

  package func makePool() throws -> WorkerPool {
    try WorkerPool(
      cores: assignment.cores, nodes: topology.nodes, pin: !assignment.oversubscribed,
      oversubscribed: assignment.oversubscribed)
  }
}
