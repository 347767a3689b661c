import Checkpoints
import ExpertParallelism
import Fabric
import Machine
import MoEModel
import Telemetry

/// One rank's part of a model in memory: parameters, which rank has which experts, and what is counted of its layers.
///
/// Whatever runs the model (a `GenerationSession`, a training of it) takes it from here; another model of the same
/// shape can take its place.
package final class LoadedModel {
  package let checkpoint: any Checkpoint
  package let description: DecoderDescription
  package private(set) var placement: ModelPlacement
  package private(set) var weights: ModelWeights
  /// What plans another placement for as much memory.
  package let planner: PlacementPlanner
  /// By rank: experts there is room for beside those it holds, where they may move.
  package private(set) var spareExperts: [Int]
  package let report: LoadReport
  package let telemetry: RankTelemetry
  /// The memory the weights lie in.
  private let arenas: [NodeArena]

  /// Compares what the ranks will read, checks that it fits into this rank's share of its host's memory, reads it, and compares what was read.
  /// `telemetry`: that of the model whose place this one takes. Collective; fails on all ranks together.
  package init(
    _ opened: OpenedModel, runtime: ClusterRuntime, options: LoadOptions, telemetry: RankTelemetry? = nil,
    onEvent: (LoadEvent) -> Void
  ) throws {
    let (communicator, compute) = (runtime.communicator, runtime.compute)
    let (checkpoint, description, agreement) = (opened.checkpoint, opened.description, opened.agreement)
    try agreement.compareSamples(pool: compute.pool)
    if options.checksWeights {
      let found = try agreement.compareAll(pool: compute.pool)
      if communicator.isRoot { onEvent(.note(found)) }
    }
    let layout = try ExpertLayout(options.experts, description, on: communicator)
    let (placement, rank) = (layout.placement, communicator.rank)
    let dividesExperts = description.slice?.dividesExperts ?? false
    let owns: (Int, Int) -> Bool = { dividesExperts || placement.holds(layer: $0, expert: $1, rank) }
    let budget = try agree(on: communicator) {
      let budget = try WeightBudget.measure(
        description, checkpoint: checkpoint, workerCount: compute.workerCount,
        spareExperts: layout.spareExperts[rank.index], owns: owns)
      let (needed, overflows) = budget.memoryBytes.addingReportingOverflow(options.otherBytes)
      let available = runtime.host.topology.availableBytes / runtime.host.ranksOnHost
      guard !overflows, needed < Int.max, !options.checksMemory || needed <= available else {
        throw ModelError.insufficientMemory(needed: overflows ? Int.max : needed, available: available)
      }
      return budget
    }
    let start = ContinuousClock.now
    let (sums, replicaSums) = (ReadSums(checkpoint), ReadSums(checkpoint))
    var extras = WeightLoader.Extras()
    extras.isReplica = { !dividesExperts && placement[$0].owners[$1] != rank }
    extras.replicaSums = replicaSums
    extras.spareExperts = layout.spareExperts[rank.index]
    let readBefore = checkpoint.bytesRead
    let (weights, arenas) = try agree(on: communicator) {
      try WeightLoader.load(
        description, checkpoint: checkpoint, pool: compute.pool, budget: budget, owns: owns, sums: sums, extras: extras
      ) {
        bytes in
        onEvent(.loading(bytes: bytes, of: budget.storedBytes))
      }
    }
    try agreement.compareRead(sums.sums, replicas: replicaSums.sums)
    try communicator.barrier()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let misplaced = arenas.reduce(0) { $0 + $1.verify().elsewhere }
    report = LoadReport(
      bytesReadByRank: try Self.everyRank(checkpoint.bytesRead - readBefore, communicator),
      memoryByRank: try Self.everyRank(budget.memoryBytes, communicator), seconds: seconds,
      misplacedPages: Int(try communicator.allReduceSum(Int64(misplaced))))
    (self.checkpoint, self.description, self.placement) = (checkpoint, description, placement)
    (planner, spareExperts) = (layout.planner, layout.spareExperts)
    (self.weights, self.arenas) = (weights, arenas)
    self.telemetry =
      telemetry
      ?? RankTelemetry(
        layerCount: description.runLayers.count, expertCount: description.mixture?.expertCount ?? 0,
        rankCount: communicator.size)
  }

  /// The same model, with an account of its own: for who runs it beside others.
  package init(sharing other: LoadedModel) {
    (checkpoint, description, placement) = (other.checkpoint, other.description, other.placement)
    (weights, arenas, report) = (other.weights, other.arenas, other.report)
    // Its memory is the other's: nothing may move.
    (planner, spareExperts) = (other.planner, other.spareExperts.map { _ in 0 })
    telemetry = RankTelemetry(
      layerCount: description.runLayers.count, expertCount: description.mixture?.expertCount ?? 0,
      rankCount: placement.rankCount)
  }

  /// Puts experts that came in the place of those that left.
  func take(
    _ changes: [Change], placement: ModelPlacement, room: [FeedForwardWeights], spareExperts: [Int]
  ) {
    for change in changes { weights.set(change.weights, layer: change.layer, expert: change.expert) }
    weights.setSpareExperts(room)
    (self.placement, self.spareExperts) = (placement, spareExperts)
  }

  /// Each rank's value, on every rank. Collective.
  private static func everyRank(_ value: Int, _ communicator: any Communicator) throws -> [Int] {
    var values = [Int64](repeating: 0, count: communicator.size)
    values[communicator.rank.index] = Int64(value)
    return try communicator.allReduce(values, .sum).map { Int($0) }
  }
}
