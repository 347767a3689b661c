import Fabric
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Training

/// What a training is to cost on these ranks, found before it begins.
package struct TrainingCosts {
  /// What the material that is learnt from adds to a training's size.
  package struct Material {
    /// Leaves of a step, where they are not one sequence each.
    package var leafCount: Int?
    /// Bytes that a teacher takes, by rank.
    package var teacherBytes: (_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int
    /// What ranks take to sample completions, by model that samples.
    package var rollouts: (_ terms: TrainingLayout.Terms) -> [RolloutMemory]

    package init(
      leafCount: Int?,
      teacherBytes: @escaping (_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int,
      rollouts: @escaping (_ terms: TrainingLayout.Terms) -> [RolloutMemory]
    ) { (self.leafCount, self.teacherBytes, self.rollouts) = (leafCount, teacherBytes, rollouts) }
  }

  package let layout: TrainingLayout
  package private(set) var budget: TrainingBudget
  package let rates: TrainingCost.Rates
  package let settings: TrainingSettings
  private let runtime: ClusterRuntime
  private let checksMemory: Bool

  /// Collective.
  package init(
    _ description: DecoderDescription, _ settings: TrainingSettings, _ material: Material,
    companions: Companions, runtime: ClusterRuntime, rates: TrainingCost.Rates, checksMemory: Bool
  ) throws {
    let communicator = runtime.communicator
    var terms = TrainingLayout.Terms(
      sequenceLength: settings.sequenceLength, sequences: settings.batch.last, rankCount: communicator.size,
      ranksPerHost: Int(try communicator.allReduceMax(Int64(communicator.localSize))),
      workerCount: runtime.compute.workerCount)
    (terms.optimizer, terms.recomputes, terms.products) = (settings.optimizer, settings.recomputes, settings.products)
    terms.leaves = material.leafCount
    // The last checkpoint is waited for.
    terms.checkpoints = settings.saveEvery < settings.steps ? settings.checkpoints ?? .background : .waiting
    var layout = TrainingLayout(description, terms)
    layout.teacherBytes = try agree(on: communicator) { try material.teacherBytes(terms) }
    layout.rollouts = material.rollouts(terms)
    self.layout = layout
    let plan = SavePlan(description, optimizer: settings.optimizer, predicts: description.predicts)
    budget = TrainingBudget(
      layout, rank: communicator.rank.index,
      disk: DiskSpace(
        plan, companions: companions, folder: settings.folder, keep: settings.keep, pins: settings.pinEvery > 0))
    budget.insistsOnBackground = settings.checkpoints == .background
    (self.settings, self.runtime, self.rates, self.checksMemory) = (settings, runtime, rates, checksMemory)
  }

  /// Throws, on all ranks, where some rank's part does not fit into its host's memory, or checkpoints not onto the
  /// disk. `dataBytes`: what data take already, and the attention cache of tasks will. Collective.
  package mutating func check(dataBytes: Int = 0) throws {
    budget.dataBytes = dataBytes
    try agree(on: runtime.communicator) {
      if checksMemory {
        try budget.checkMemory(available: runtime.host.topology.availableBytes, ranksOnHost: runtime.host.ranksOnHost)
      }
      // Rank 0 writes.
      guard runtime.communicator.isRoot else { return }
      try budget.disk.check(folder: settings.folder, available: DiskSpace.available(at: settings.folder))
    }
  }

  /// Of memory for rollouts beyond what must be, the part that this rank has; to be asked after `check`.
  package var rolloutShare: Double {
    budget.rolloutShare(available: runtime.host.topology.availableBytes, ranksOnHost: runtime.host.ranksOnHost)
  }

  /// Measures what all ranks' processors do, and the part of it that this model's training is to reach; a second or
  /// less. Collective.
  package func forecast() throws -> TrainingForecast {
    let (communicator, compute) = (runtime.communicator, runtime.compute)
    let (peak, utilization) = UtilizationProbe(compute, products: settings.products).measure(layout)
    let all = try communicator.allReduceSum(Int64(peak))
    let used = try communicator.allReduceSum(Int64(peak * utilization))
    let done = communicator.isRoot && settings.resumes ? TrainingFolder.latestStep(in: settings.folder) ?? 0 : 0
    return TrainingForecast(
      settings, done: done, work: TrainingWork(layout.description, sequenceLength: settings.sequenceLength),
      peak: Double(all), utilization: Double(used) / Double(max(all, 1)), nodes: Set(runtime.clocks.hostOfRank).count)
  }

  /// The account of a run, to be begun before anything is loaded.
  package func account(_ forecast: TrainingForecast) -> TrainingAccount {
    TrainingAccount(forecast, predictedBytes: budget.memory.total, resident: ProcessUsage().residentBytes)
  }
}
