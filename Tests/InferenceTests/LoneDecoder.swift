import Checkpoints
import Fabric
import Kernels
import ModelRuntime
import MoEModel
import Tensors

/// The decoder of a checkpoint on one rank, with its prediction modules, and memory for one text.
struct LoneDecoder {
  let decoder: Decoder
  let description: DecoderDescription
  private let model: LoadedModel
  private let cache: KeyValueCache
  private let states: StateCache
  private let table: AlignedBuffer<UnsafeRawPointer?>

  /// For a text of so many tokens.
  init(of folder: String, tokenCount: Int, threads: Int, isa: InstructionSet, weights: WeightPrecision) throws {
    let communicator = LocalCommunicator.solo()
    let opened = try OpenedModel(
      opening: { try CheckpointFormat.open(folder) }, holding: weights, predicting: true, on: communicator)
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, instructionSet: isa)
    model = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    description = model.description
    let (weights, compute, hiddenSize) = (model.weights, runtime.compute, description.hiddenSize)
    cache = try KeyValueCache(
      description, type: .f32, blockCount: KeyValueCache.blockCount(tokens: tokenCount))
    states = try StateCache(description, slotCount: 1)
    if description.isRecurrent { states.clear(0, compute) }
    table = AlignedBuffer(
      (0..<Int32(cache.blockCount)).map { [cache] in UnsafeRawPointer(cache.address(ofBlock: $0)) as UnsafeRawPointer? }
    )
    let experts = description.moe.map { [description] in
      Decoder.Experts(
        ExpertBank(description, moe: $0, weights: weights, compute: compute),
        through: LocalDispatcher(compute: compute, hiddenSize: hiddenSize))
    }
    decoder = Decoder(description, weights: weights, compute: compute, cache: cache, experts: experts)
  }

  /// A piece of the text, whose first token has the place `start`.
  func batch(_ tokens: [Int32], at start: Int = 0) -> DecoderBatch {
    var batch = DecoderBatch()
    batch.tokens = tokens
    batch.chunks = [
      .init(
        firstRow: 0, count: tokens.count, startPosition: start, blocks: UnsafePointer(table.pointer), outputs: .none,
        state: description.isRecurrent ? states.address(ofSlot: 0) : nil)
    ]
    return batch
  }
}
