import ExpertParallelism
import Telemetry

/// Ways of laying a model out on a cluster of equal nodes, and what each comes to.
package struct ClusterPlan: Sendable {
  /// Of one node.
  package struct Node: Sendable {
    package var memoryBytes: Int
    package var cores: Int
    package var numaNodes: Int
    /// Numbers of ranks on it to look at.
    package var ranks: Set<Int>
    package var machine: ComputeModel.Machine

    /// `ranks`: beside one, and one for each NUMA node.
    package init(memoryBytes: Int, cores: Int, numaNodes: Int, ranks: Int? = nil, machine: ComputeModel.Machine) {
      (self.memoryBytes, self.cores, self.numaNodes, self.machine) = (memoryBytes, cores, numaNodes, machine)
      self.ranks = Set([1, numaNodes, ranks ?? 1])
    }
  }

  /// What is to run there.
  package struct Task: Sendable {
    package var work: ModelWork
    package var expertCount: Int
    package var bytesPerParameter: Double
    /// Of weights that are no routed expert's, as one rank holds them that shares none of them out.
    package var commonBytes: Int
    package var rowBytes: RowBytes
    /// Sequences at once: those to tell of, and those that decide which layout is best.
    package var batches: [Int] = [1, 4, 16, 32, 256]
    package var batch = 32
    package var routing: RoutingRecord
    /// Of the mean rank's experts, kept free for replicas.
    package var replicaShare = 0.0
    /// Which rank holds which experts, for as many ranks as it is of; nil for the plain placement.
    package var placement: ModelPlacement?
    /// Layouts to look at: whether ranks share out every matrix, and whether routed experts are among these then.
    package var layouts: [Bool] = [false]
    package var dividesExperts = true
    package var drafts: Drafts?

    package init(
      work: ModelWork, expertCount: Int, bytesPerParameter: Double, commonBytes: Int, rowBytes: RowBytes,
      routing: RoutingRecord
    ) {
      (self.work, self.expertCount, self.bytesPerParameter) = (work, expertCount, bytesPerParameter)
      (self.commonBytes, self.rowBytes, self.routing) = (commonBytes, rowBytes, routing)
    }
  }

  /// A decode step of so many sequences.
  package struct Step: Sendable {
    package var batch: Int
    package var outcome: StepReplay.Outcome
    /// The same with drafts, and tokens that a sequence gets of it.
    package var drafting: StepReplay.Outcome?
    package var tokensPerDraftingStep = 1.0

    package init(
      batch: Int, outcome: StepReplay.Outcome, drafting: StepReplay.Outcome? = nil, tokensPerDraftingStep: Double = 1
    ) {
      (self.batch, self.outcome) = (batch, outcome)
      (self.drafting, self.tokensPerDraftingStep) = (drafting, tokensPerDraftingStep)
    }

    package var tokensPerSecond: Double { Double(batch) / outcome.seconds }
    package var draftingTokensPerSecond: Double? { drafting.map { Double(batch) * tokensPerDraftingStep / $0.seconds } }
  }

  package struct Option: Sendable {
    package var ranksPerNode: Int
    package var ranks: Int
    package var isSliced: Bool
    package var experts: ClosedRange<Int>
    /// Of the rank with most.
    package var weightBytes: Int
    package var cacheBytes: Int
    package var fits: Bool
    /// By batch; none where it does not fit.
    package var steps: [Step] = []
    /// What `--layout auto` would decide by; nil where it has no choice.
    package var estimate: LayoutEstimate?
    /// A step of `Task.batch` with experts placed by the load of the routing, and replicas where there is memory for
    /// them.
    package var placed: StepReplay.Outcome?

    /// The step with `batch` sequences; nil where none was planned.
    package func step(_ batch: Int) -> Step? { steps.first { $0.batch == batch } }
  }

  package let node: Node
  package let nodeCount: Int
  package let task: Task
  package let options: [Option]
  /// The fewest nodes of the kind that would do; nil where no number does, as what every rank holds is too much
  /// already.
  package let nodesNeeded: Int?

  /// What stays free on a node for the system, the program and its messages.
  package static let reservedShare = 0.08

  /// `held` says how many bytes of weights and of cache the fullest of so many ranks holds, in which layout.
  package init(
    node: Node, nodeCount: Int, network: Network, task: Task,
    held: (_ ranks: Int, _ isSliced: Bool) throws -> (weights: Int, cache: Int)
  ) throws {
    (self.node, self.nodeCount, self.task) = (node, nodeCount, task)
    let room = Int(Double(node.memoryBytes) * (1 - Self.reservedShare))
    func fits(_ ranksPerNode: Int, _ nodes: Int, _ isSliced: Bool) throws -> Bool {
      let (weights, cache) = try held(ranksPerNode * nodes, isSliced)
      let (sum, overflows) = weights.addingReportingOverflow(cache)
      return !overflows && sum <= room / ranksPerNode
    }
    var options: [Option] = []
    for ranksPerNode in node.ranks.sorted() {
      let ranks = ranksPerNode * nodeCount
      // One rank shares nothing out: its layouts are one.
      for isSliced in task.layouts where ranks > 1 || isSliced == task.layouts[0] {
        let (weights, cache) = try held(ranks, isSliced)
        let even = (task.expertCount + ranks - 1) / ranks
        var option = Option(
          ranksPerNode: ranksPerNode, ranks: ranks, isSliced: isSliced && ranks > 1,
          experts: (task.expertCount / ranks)...even, weightBytes: weights, cacheBytes: cache,
          fits: try fits(ranksPerNode, nodeCount, isSliced))
        if option.fits { Self.fill(&option, node, nodeCount, network, task) }
        options.append(option)
      }
    }
    self.options = options
    nodesNeeded = try Self.least(nodeCount, limit: max(task.expertCount, 1)) { nodes in
      try task.layouts.contains { try fits(1, nodes, $0) }
    }
  }

  /// Steps of an option that fits.
  private static func fill(_ option: inout Option, _ node: Node, _ nodeCount: Int, _ network: Network, _ task: Task) {
    let machine = node.machine.shared(by: option.ranksPerNode)
    let given = task.placement.flatMap { $0.rankCount == option.ranks ? $0 : nil }
    func replay(_ work: ModelWork) -> StepReplay {
      var replay = StepReplay(
        compute: ComputeModel(
          work, bytesPerParameter: task.bytesPerParameter, machine: machine, rowBytes: task.rowBytes),
        network: network,
        layout: Layout(
          rankCount: option.ranks, ranksPerHost: option.ranksPerNode, expertCount: task.expertCount, placement: given),
        rowBytes: task.rowBytes)
      (replay.isSliced, replay.dividesExperts) = (option.isSliced, task.dividesExperts)
      return replay
    }
    var plain = replay(task.work.predicting(false))
    for batch in Set(task.batches + [task.batch]).sorted() {
      guard let outcome = plain.run(task.routing, kind: .decode, batch: batch) else { continue }
      var step = Step(batch: batch, outcome: outcome)
      if let drafts = task.drafts {
        var drafting = replay(task.work.predicting(drafts.predicts))
        drafting.rowsPerSequence = drafts.rowsPerSequence
        step.drafting = drafting.run(task.routing, kind: .decode, batch: batch * drafts.rowsPerSequence)
        step.tokensPerDraftingStep = drafts.tokensPerStep
      }
      option.steps.append(step)
    }
    if option.ranks > 1, !task.work.exchanges.isEmpty {
      let rate = machine.readBytesPerSecond * machine.efficiency
      option.estimate = LayoutEstimate(
        plain.compute.work, readSeconds: Double(task.commonBytes) / rate, hostOfRank: plain.layout.hostOfRank,
        streams: 1, dividesExperts: task.dividesExperts, far: nodeCount > 1 ? network.otherHosts : nil,
        near: network.sameHost)
    }
    guard !option.isSliced else { return }
    let planner = PlacementPlanner(
      expertCount: task.expertCount, layerCount: task.routing.layers.count, rankCount: option.ranks,
      replicaShare: task.replicaShare)
    let placement = planner.plan(task.routing.loads(tokensPerStep: task.batch), from: plain.layout.placement)
    guard placement != plain.layout.placement else { return }
    plain.layout = Layout(
      rankCount: option.ranks, ranksPerHost: option.ranksPerNode, expertCount: task.expertCount, placement: placement)
    option.placed = plain.run(task.routing, kind: .decode, batch: task.batch)
  }

  /// The least number up to `limit` that will do, where larger ones do too; near `start` first, as each costs a walk.
  private static func least(_ start: Int, limit: Int, _ isEnough: (Int) throws -> Bool) rethrows -> Int? {
    var (low, high) = (0, min(max(start, 1), limit))
    while try !isEnough(high) {
      guard high < limit else { return nil }
      (low, high) = (high, min(2 * high, limit))
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if try isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// Of the layouts that fit, the one with most throughput.
  package var best: Option? {
    func seconds(_ option: Option) -> Double { option.step(task.batch)?.outcome.seconds ?? .infinity }
    return options.filter(\.fits).min { seconds($0) < seconds($1) }
  }
}
