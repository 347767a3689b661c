import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import Telemetry

/// Which layout a run has, and why.
package struct LayoutChoice {
  /// What the rank holds and computes; nil where sequences are spread.
  package let slice: ModelSlice?
  /// What to tell of a choice that was made for the user; nil where there was none.
  package let note: String?
  /// The choice as it is kept for the next start, where there was one.
  package let kept: KeptLayout?

  /// Decides for `wish`, and for steps that continue `streams` sequences where it is `auto`: from the bytes of weights
  /// that such a step reads, what all ranks read together in a second, and what messages between them take, which is
  /// measured in a fraction of a second, or was for a job before (`keeping`). `dividesExperts`: whether slices are of
  /// routed experts too. `obstacle`: what of the run's options does not go with slices. Collective; throws
  /// `notSliceable` on all ranks where slices are asked for and cannot be had.
  package init(
    _ wish: RankLayout, _ opened: OpenedModel, _ runtime: ClusterRuntime, streams: Int, dividesExperts: Bool,
    obstacle: String? = nil, keeping: KeepingOptions = KeepingOptions()
  ) throws {
    let communicator = runtime.communicator
    let slice = ModelSlice(rank: communicator.rank.index, of: communicator.size, dividesExperts: dividesExperts)
    let reason = opened.description.slicingObstacle ?? obstacle
    switch wish {
    case .spread: (self.slice, note, kept) = (nil, nil, nil)
    case .sliced:
      try agree(on: communicator) { if let reason { throw RuntimeError.notSliceable(reason) } }
      (self.slice, note, kept) = (communicator.size > 1 ? slice : nil, nil, nil)
    case .auto:
      guard communicator.size > 1, reason == nil else {
        (self.slice, kept) = (nil, nil)
        note = "--layout auto: spread, because \(reason ?? "there is one rank")"
        return
      }
      let kept = try KeptLayout(keeping, opened, runtime, streams: streams, dividesExperts: dividesExperts)
      self.kept = kept
      if let found = try kept.find() {
        self.slice = found.isSliced ? slice : nil
        note = "\(Self.words(found)), as measured for a job before"
        return
      }
      let start = ContinuousClock.now
      let costs = try LayoutCosts(opened, runtime, streams: streams, dividesExperts: dividesExperts)
      // Rank 0's word counts.
      let isSliced =
        try communicator.allReduceMax(
          communicator.isRoot && costs.estimate.isSliced ? 1 : 0) == 1
      self.slice = isSliced ? slice : nil
      let choice = KeptLayout.Choice(isSliced: isSliced, words: costs.words)
      kept.keep(choice)
      let seconds = ((ContinuousClock.now - start) / .seconds(1) * 100).rounded() / 100
      note = "\(Self.words(choice)), measured in \(seconds) s"
    }
  }

  private static func words(_ choice: KeptLayout.Choice) -> String {
    "--layout auto: \(choice.isSliced ? "sliced" : "spread"), \(choice.words)"
  }
}

/// What a step is expected to take in either layout, from what this machine is measured to do.
struct LayoutCosts {
  let estimate: LayoutEstimate
  let words: String

  /// Collective.
  init(_ opened: OpenedModel, _ runtime: ClusterRuntime, streams: Int, dividesExperts: Bool) throws {
    let (communicator, description) = (runtime.communicator, opened.description)
    let weights = try agree(on: communicator) {
      try WeightBudget.measure(description, checkpoint: opened.checkpoint, workerCount: 1, owns: { _, _ in false })
    }
    try communicator.barrier()
    let rate = Double(
      try communicator.allReduceMin(Int64(runtime.compute.probeRead(bytesPerWorker: 64 << 20, rounds: 2))))
    let samples = try runtime.probeSliceLinks()
    /// Of the first of these links that was timed; nil where none was.
    func link(_ classes: [LinkClass]) -> LinkModel? {
      classes.lazy.compactMap { link in LinkModel(samples.filter { $0.link == link }) }.first
    }
    estimate = LayoutEstimate(
      description.work, readSeconds: Double(weights.memoryBytes) / max(rate, 1),
      hostOfRank: runtime.clocks.hostOfRank, streams: streams, dividesExperts: dividesExperts,
      far: link([.otherHosts]), near: link([.sharedMemory, .sameHost, .sameNode]))
    words = "\(estimate.words(streams: streams)); a rank reads \((rate / 1e8).rounded() / 10) GB/s"
  }
}
