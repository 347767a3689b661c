import ExpertParallelism
import Fabric
import MoEModel
import Tensors

/// The blocks of a step that modules draft in, kept for the memory of its arrays.
struct BlockRows {
  var batch = DecoderBatch()
  /// Places among the rank's own items of those that have a block, in their order.
  var items: [Int] = []
  var guesses: [Int32] = []
}

extension RankEngine {
  /// Has modules draft a block of so many tokens after what each sequence sampled, and notes what they guess. Every
  /// rank finds in the plan how many blocks each has: as many as there may be, of the first items that something is
  /// sampled for, whatever came of that. Collective.
  ///
  /// The experts' visits count as the step's; where somebody wants to know what tokens chose, it is of the model alone.
  func predictBlocks(_ plan: StepPlan, size: Int) throws {
    let (most, noise) = (limits.blockCount(size: size), Int32(decoder.description.blockDrafting?.noiseToken ?? 0))
    blocks.batch.clear()
    blocks.items.removeAll(keepingCapacity: true)
    for rank in rowsByRank.indices { rowsByRank[rank] = 0 }
    var place = -1
    for item in plan.items {
      let own = isOwn(item.home)
      if own { place += 1 }
      guard item.sampledRows > 0, rowsByRank[item.home.index] / size < most else { continue }
      rowsByRank[item.home.index] += size
      guard own, let sequence = sequences[item.id], let last = sequence.tokens.last else { continue }
      blocks.items.append(place)
      blocks.batch.chunks.append(
        DecoderBatch.Chunk(
          firstRow: blocks.batch.tokens.count, count: size, startPosition: sequence.tokens.count - 1,
          blocks: UnsafePointer(sequence.table.pointer), outputs: .none, state: sequence.state))
      blocks.batch.tokens.append(last)
      blocks.batch.tokens.append(contentsOf: repeatElement(noise, count: size - 1))
    }
    outcome.predictionWidth = size
    outcome.predictions.append(contentsOf: repeatElement(-1, count: (place + 1) * size))
    guard rowsByRank.contains(where: { $0 > 0 }) else { return }
    try dispatcher?.beginStep(rowsByRank: rowsByRank)
    try decoder.draftBlocks(blocks.batch, into: &blocks.guesses)
    for (block, item) in blocks.items.enumerated() {
      // A sequence whose token could not be sampled is at its end.
      if case .failed = outcome.results[item] { continue }
      for i in 0..<size { outcome.predictions[item * size + i] = blocks.guesses[block * size + i] }
    }
  }
}
