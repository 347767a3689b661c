import Checkpoints
import Fabric
import Kernels
import ModelRuntime
import MoEModel
import Testing

/// A model with its prediction module on one rank, over a text that it reads whole, as a training has it read.
enum PredictionRun {
  /// The result of `body`, which may ask the decoder for what the module makes of each token but the last.
  static func over<Output>(
    _ tokens: [Int32], _ folder: String, threads: Int = 1, isa: InstructionSet = .best,
    weights: WeightPrecision = .auto, _ body: (_ decoder: Decoder) throws -> Output
  ) throws -> Output {
    let communicator = LocalCommunicator.solo()
    let opened = try OpenedModel(
      opening: { try CheckpointFormat.open(folder) }, holding: weights, predicting: true, on: communicator)
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, instructionSet: isa)
    let model = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let blocks = KeyValueCache.blockCount(tokens: tokens.count)
    let cache = try KeyValueCache(model.description, type: .f32, blockCount: blocks)
    let states = try StateCache(model.description, slotCount: 1)
    let mixture = try #require(model.description.mixture)
    let bank = ExpertBank(model.description, mixture: mixture, weights: model.weights, compute: runtime.compute)
    let decoder = Decoder(
      model.description, weights: model.weights, compute: runtime.compute, cache: cache,
      experts: Decoder.Experts(
        bank, through: LocalDispatcher(compute: runtime.compute, hiddenSize: model.description.hiddenSize)))
    let table = (0..<Int32(blocks)).map { UnsafeRawPointer(cache.address(ofBlock: $0)) as UnsafeRawPointer? }
    return try table.withUnsafeBufferPointer { table in
      var batch = DecoderBatch()
      batch.tokens = tokens
      batch.chunks = [
        .init(
          firstRow: 0, count: tokens.count, startPosition: 0, blocks: table.baseAddress!, outputs: .none,
          state: states.slotCount > 0 ? states.address(ofSlot: 0) : nil)
      ]
      _ = try decoder.forward(batch)
      let next = Array(tokens.dropFirst()) + [0]
      try next.withUnsafeBufferPointer { try decoder.predict(batch, next: $0.baseAddress!) }
      return try body(decoder)
    }
  }
}
