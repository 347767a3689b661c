import ExpertParallelism
import Fabric
import Kernels
import ModelRuntime
import MoEModel
import Tensors

/// A model that is asked and never changed, beside one that is trained: a teacher of what follows each token.
///
/// It runs over the same sequences as the other, on the same ranks, and keeps of them what its head makes logits from,
/// the residual stream `[rows, hidden]`: logits never exist as a whole.
package final class FrozenModel {
  package let model: LoadedModel
  package let decoder: Decoder
  private let dispatcher: ClusterDispatcher?
  private let cache: KeyValueCache
  private let states: StateCache
  private let compute: Compute
  private let addresses: AlignedBuffer<UnsafeRawPointer?>
  private var batch = DecoderBatch()

  /// Takes batches of up to `rows` tokens in up to `sequences` sequences on this rank; the same on all ranks.
  /// Collective.
  package init(_ model: LoadedModel, runtime: ClusterRuntime, rows: Int, sequences: Int) throws {
    self.model = model
    let (description, communicator, compute) = (model.description, runtime.communicator, runtime.compute)
    let blocks = Self.blockCount(rows: rows, sequences: sequences)
    let cache = try agree(on: communicator) { try KeyValueCache(description, type: .f32, blockCount: blocks) }
    (self.cache, self.compute) = (cache, compute)
    states = try agree(on: communicator) { try StateCache(description, slotCount: sequences) }
    addresses = AlignedBuffer(count: max(1, blocks))
    for block in 0..<blocks {
      addresses.pointer[block] = UnsafeRawPointer(cache.address(ofBlock: Int32(block)))
    }
    var experts: Decoder.Experts?
    var dispatcher: ClusterDispatcher?
    if let moe = description.moe {
      let bank = ExpertBank(description, moe: moe, weights: model.weights, compute: compute)
      let wire = WireFormat(hiddenSize: description.hiddenSize, tokens: bank.rowFormat)
      let made = ClusterDispatcher(
        communicator: communicator, placement: model.placement, compute: compute, wire: wire, topK: moe.topK,
        telemetry: model.telemetry, clocks: runtime.clocks,
        channels: try ExpertChannels(
          communicator, placement: model.placement, wire: wire, topK: moe.topK, batchTokens: rows,
          hostOfRank: runtime.clocks.hostOfRank))
      dispatcher = made
      experts = Decoder.Experts(
        MeteredExperts(bank, telemetry: model.telemetry),
        through: MeteredDispatcher(made, telemetry: model.telemetry))
    }
    self.dispatcher = dispatcher
    decoder = Decoder(description, weights: model.weights, compute: compute, cache: cache, experts: experts)
  }

  /// Blocks of cache that so many tokens take at most: each sequence begins one.
  private static func blockCount(rows: Int, sequences: Int) -> Int { rows / KeyValueCache.blockTokens + sequences }

  package var description: DecoderDescription { model.description }

  /// Runs over the sequences of `other`, another model's batch, whose chunks are whole sequences. `rowsByRank`: tokens
  /// of all ranks' batches. Throws for tokens that it has no embedding of. Collective.
  package func forward(_ other: DecoderBatch, rowsByRank: [Int], on communicator: any Communicator) throws {
    try agree(on: communicator) { try take(other) }
    try dispatcher?.beginStep(rowsByRank: rowsByRank)
    _ = try decoder.forward(batch)
  }

  private func take(_ other: DecoderBatch) throws {
    batch.clear()
    let limit = Int32(description.vocabularySize)
    if let token = other.tokens.first(where: { $0 < 0 || $0 >= limit }) {
      throw DistributedTrainingError.unknownToken(Int(token), vocabularySize: description.vocabularySize)
    }
    batch.tokens += other.tokens
    var next = 0
    for (slot, original) in other.chunks.enumerated() {
      var chunk = original
      let count = KeyValueCache.blockCount(tokens: chunk.count)
      precondition(chunk.startPosition == 0, "a part of a sequence")
      precondition(next + count <= addresses.count, "more sequences than there is room for")
      chunk.blocks = UnsafePointer(addresses.pointer + next)
      chunk.outputs = .none
      chunk.state = nil
      if slot < states.slotCount {
        states.clear(Int32(slot), compute)
        chunk.state = states.address(ofSlot: Int32(slot))
      }
      batch.chunks.append(chunk)
      next += count
    }
  }

  /// Logits `[rows, vocabulary]` of some rows of the last batch; valid until the next call. They may be overwritten.
  package func logits(ofRows rows: Range<Int>) -> MatrixView<Float> { decoder.logits(ofRows: rows).logits }
}
