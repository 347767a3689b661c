import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
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
  /// Its place on this host, and its way to the keeper.
  private let place: HostWeights?

  /// Compares what the ranks will read, checks that it fits into this rank's share of its host's memory, reads it, and
  /// compares what was read. `telemetry`: that of the model whose place this one takes. Collective; fails on all ranks
  /// together.
  package init(
    _ opened: OpenedModel, runtime: ClusterRuntime, options: LoadOptions, telemetry: RankTelemetry? = nil,
    onEvent: (LoadEvent) -> Void
  ) throws {
    let (communicator, compute) = (runtime.communicator, runtime.compute)
    let (checkpoint, description, agreement) = (opened.checkpoint, opened.description, opened.agreement)
    var keeping = options.keeping
    // What is kept must be what a start would make.
    if options.experts.moves { keeping.mode = .off }
    if keeping.mode == .off { try agreement.compareSamples(pool: compute.pool) }
    if options.checksWeights {
      let found = try agreement.compareAll(pool: compute.pool)
      if communicator.isRoot { onEvent(.note(found)) }
    }
    let layout = try ExpertLayout(options.experts, description, on: communicator)
    let (placement, rank) = (layout.placement, communicator.rank)
    let dividesExperts = description.slice?.dividesExperts ?? false
    let owns: (Int, Int) -> Bool = { dividesExperts || placement.holds(layer: $0, expert: $1, rank) }
    let budget = try agree(on: communicator) {
      let budget = try RankMemory.budget(
        description, checkpoint, workerCount: compute.workerCount, placement: placement,
        spareExperts: layout.spareExperts[rank.index], rank: rank)
      // Before any is reserved, where it is known already how much that will be, or more than there is anywhere.
      let isKnown = options.checksMemory && keeping.mode == .off && !keeping.shares
      try Self.checkMemory(budget.memoryBytes, options, runtime.host, limit: isKnown ? nil : 1 << 45)
      return budget
    }
    let start = ContinuousClock.now
    let place = try HostWeights(keeping, opened, runtime: runtime, budget: budget, owns: owns)
    // Whether memory is checked may differ between ranks.
    try agree(on: communicator) {
      if options.checksMemory { try Self.checkMemory(place.neededBytes, options, runtime.host, limit: nil) }
    }
    place.prepare()
    let isKept = try communicator.allReduceMin(place.isFilled ? 1 : 0) == 1
    if keeping.mode != .off, !isKept { try agreement.compareSamples(pool: compute.pool) }
    let (sums, replicaSums) = (ReadSums(checkpoint), ReadSums(checkpoint))
    var extras = WeightLoader.Extras()
    extras.isReplica = { !dividesExperts && placement[$0].owners[$1] != rank }
    extras.replicaSums = replicaSums
    extras.spareExperts = layout.spareExperts[rank.index]
    let readBefore = checkpoint.bytesRead
    let (weights, arenas) = try agree(on: communicator) {
      try WeightLoader.load(
        description, checkpoint: checkpoint, pool: compute.pool, budget: budget, owns: owns, sums: sums, extras: extras,
        memory: place.memory
      ) {
        bytes in
        if place.bytesToRead > 0 { onEvent(.loading(bytes: bytes, of: place.bytesToRead)) }
      }
    }
    try agreement.compareRead(sums.sums, replicas: replicaSums.sums)
    place.settle()
    try communicator.barrier()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let notes = try place.notes(keeping, seconds: seconds)
    if communicator.isRoot { for note in notes { onEvent(.note(note)) } }
    let misplaced = arenas.reduce(0) { $0 + $1.verify(countsHugePages: false).elsewhere }
    report = LoadReport(
      bytesReadByRank: try Self.everyRank(checkpoint.bytesRead - readBefore, communicator),
      memoryByRank: try Self.everyRank(place.memoryBytes, communicator), seconds: seconds,
      misplacedPages: Int(try communicator.allReduceSum(Int64(misplaced))))
    (self.checkpoint, self.description, self.placement) = (checkpoint, description, placement)
    (planner, spareExperts) = (layout.planner, layout.spareExperts)
    (self.weights, self.arenas, self.place) = (weights, arenas, place)
    self.telemetry =
      telemetry
      ?? RankTelemetry(
        layerCount: description.runLayers.count, expertCount: description.moe?.expertCount ?? 0,
        rankCount: communicator.size)
  }

  /// The same model, with an account of its own: for who runs it beside others.
  package init(sharing other: LoadedModel) {
    (checkpoint, description, placement) = (other.checkpoint, other.description, other.placement)
    (weights, arenas, place, report) = (other.weights, other.arenas, other.place, other.report)
    // Its memory is the other's: nothing may move.
    (planner, spareExperts) = (other.planner, other.spareExperts.map { _ in 0 })
    telemetry = RankTelemetry(
      layerCount: description.runLayers.count, expertCount: description.moe?.expertCount ?? 0,
      rankCount: placement.rankCount)
  }

  /// Has the host's keeper let go of what was kept for a restart only, at a good end. Not collective.
  package func release() { place?.release() }

  /// Throws where this rank's share of the host's memory, or `limit`, does not suffice, also once what is kept for
  /// nobody has made way.
  private static func checkMemory(_ weights: Int, _ options: LoadOptions, _ host: HostPlan, limit: Int?) throws {
    let (needed, overflows) = weights.addingReportingOverflow(options.otherBytes)
    var available = limit ?? host.topology.availableBytes / host.ranksOnHost
    guard overflows || needed > available else { return }
    // Another rank may have had it let go already.
    if limit == nil, !overflows, let keeper = (try? KeeperClient.existing(options.keeping.folder)) ?? nil {
      _ = try? keeper.release(all: false)
      available = max(available, try Topology.discover().availableBytes / host.ranksOnHost)
    }
    guard !overflows, needed <= available else {
      throw ModelError.insufficientMemory(needed: overflows ? Int.max : needed, available: available)
    }
  }

  /// Puts experts that came in the place of those that left.
  func take(_ changes: [Change], placement: ModelPlacement, room: [FeedForwardWeights], spareExperts: [Int]) {
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
