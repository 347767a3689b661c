import ExpertParallelism
import Telemetry

/// Ways of laying a model out on a cluster of equal nodes, and what each comes to.
package struct ClusterPlan: Sendable {
  /// Of one node.
  package struct Node: Sendable {
    package var memoryBytes: Int
    package var cores: Int
    package var numaNodes: Int
    package var machine: ComputeModel.Machine

    package init(memoryBytes: Int, cores: Int, numaNodes: Int, machine: ComputeModel.Machine) {
      (self.memoryBytes, self.cores, self.numaNodes, self.machine) = (memoryBytes, cores, numaNodes, machine)
    }
  }

  package struct Option: Sendable {
    package var ranksPerNode: Int
    package var ranks: Int
    package var experts: ClosedRange<Int>
    /// Of the rank with most.
    package var weightBytes: Int
    package var cacheBytes: Int
    package var fits: Bool
    /// A decode step of one sequence, and of `batch`; nil where it does not fit.
    package var alone: StepReplay.Outcome?
    package var together: StepReplay.Outcome?
    /// The second with experts placed by the load of the routing, and replicas where there is memory for them.
    package var placed: StepReplay.Outcome?
  }

  package let node: Node
  package let nodeCount: Int
  package let options: [Option]
  /// The fewest nodes of the kind that would do; nil where no number does, as what every rank holds is too much
  /// already.
  package let nodesNeeded: Int?

  /// What stays free on a node for the system, the program and its messages.
  package static let reservedShare = 0.08

  /// `held` says how many bytes of weights a rank with that many experts of each layer holds; `replicaShare` of the mean rank's
  /// experts are kept free for replicas.
  package init(
    node: Node, nodeCount: Int, network: Network, work: ModelWork, expertCount: Int, bytesPerParameter: Double,
    cacheBytes: Int,
    rowBytes: RowBytes, batch: Int, routing: RoutingRecord, replicaShare: Double = 0, held: (Int) throws -> Int
  ) rethrows {
    (self.node, self.nodeCount) = (node, nodeCount)
    let room = Int(Double(node.memoryBytes) * (1 - Self.reservedShare))
    func most(_ ranks: Int) -> Int {
      let replicas = (Double(expertCount) / Double(ranks) * replicaShare).rounded(.up)
      return min(expertCount, (expertCount + ranks - 1) / ranks + Int(replicas))
    }
    func fits(_ ranksPerNode: Int, _ nodes: Int) throws -> Bool {
      try ranksPerNode * (held(most(ranksPerNode * nodes)) + cacheBytes) <= room
    }
    var options: [Option] = []
    for ranksPerNode in Set([1, node.numaNodes]).sorted() {
      let ranks = ranksPerNode * nodeCount
      let weights = try held(most(ranks))
      let even = (expertCount + ranks - 1) / ranks
      var option = Option(
        ranksPerNode: ranksPerNode, ranks: ranks, experts: (expertCount / ranks)...even, weightBytes: weights,
        cacheBytes: cacheBytes, fits: try fits(ranksPerNode, nodeCount))
      if option.fits {
        var machine = node.machine
        machine.readBytesPerSecond /= Double(ranksPerNode)
        machine.operationsPerSecond /= Double(ranksPerNode)
        var replay = StepReplay(
          compute: ComputeModel(work, bytesPerParameter: bytesPerParameter, machine: machine, rowBytes: rowBytes),
          network: network,
          layout: Layout(rankCount: ranks, ranksPerHost: ranksPerNode, expertCount: expertCount), rowBytes: rowBytes)
        option.alone = replay.run(routing, kind: .decode, batch: 1)
        option.together = replay.run(routing, kind: .decode, batch: batch)
        let planner = PlacementPlanner(
          expertCount: expertCount, layerCount: routing.layers.count, rankCount: ranks, replicaShare: replicaShare)
        let placement = planner.plan(routing.loads(tokensPerStep: batch), from: replay.layout.placement)
        if placement != replay.layout.placement {
          replay.layout = Layout(
            rankCount: ranks, ranksPerHost: ranksPerNode, expertCount: expertCount, placement: placement)
          option.placed = replay.run(routing, kind: .decode, batch: batch)
        }
      }
      options.append(option)
    }
    self.options = options
    nodesNeeded = try (1...max(expertCount, 1)).first { try fits(1, $0) }
  }

  /// The layout that fits and has most throughput.
  package var best: Option? {
    options.filter(\.fits).min { ($0.together?.seconds ?? .infinity) < ($1.together?.seconds ?? .infinity) }
  }
}
