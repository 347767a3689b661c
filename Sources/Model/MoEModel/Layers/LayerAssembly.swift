import Kernels
import Tensors

/// Makes a model's layers from its description and its weights. Layers of one shape share their scratch memory, unless
/// all that they leave behind there is to be kept for a backward pass.
struct LayerAssembly {
  let description: DecoderDescription
  let weights: ModelWeights
  let compute: Compute
  let cache: KeyValueCache
  let rotary: RotaryAngles
  let entryRotary: RotaryAngles?
  let experts: Decoder.Experts?
  let kept: KeptActivations
  /// What completes rows that ranks share out, where they do.
  let gatherer: SliceGatherer?
  // By whatever sizes decide their memory.
  private var latents: [[Int]: LatentAttentionScratch] = [:]
  private var grouped: [[Int]: GroupedAttentionScratch] = [:]
  private var deltas: [[GatedDelta]: GatedDeltaScratch] = [:]
  private var compressed: [CompressedAttention: CompressedAttentionScratch] = [:]
  private let stateOffsets: [Int]
  private let ownAttentions: [AttentionDescription]
  private var feedForwards: [Int: FeedForwardScratch] = [:]
  private var moeScratches: [[Int]: MoEScratch] = [:]
  private var middleInput: RowStorage<Float>?
  // Of several residual streams: what first halves read of them, and what layers have of them around either half.
  private var firstInput: RowStorage<Float>?
  private var firstRecord: StreamRecord?
  private var secondRecord: StreamRecord?
  // One choice of positions, and the memory to make it in, are passed on from layer to layer.
  private var indexing: (scratch: IndexerScratch, chosen: ChosenPositions)?

  init(
    description: DecoderDescription, weights: ModelWeights, compute: Compute, cache: KeyValueCache,
    rotary: RotaryAngles, entryRotary: RotaryAngles? = nil, experts: Decoder.Experts?, kept: KeptActivations,
    gatherer: SliceGatherer? = nil
  ) {
    self.entryRotary = entryRotary
    (self.gatherer, ownAttentions) = (gatherer, description.ownAttentions)
    self.kept = kept
    stateOffsets = StateCache.numbers(description).offsets
    (self.description, self.weights, self.compute) = (description, weights, compute)
    (self.cache, self.rotary, self.experts) = (cache, rotary, experts)
  }

  mutating func layer(_ index: Int) -> DecoderLayer {
    guard kept != .none, case .hyper(let shape) = description.residual else {
      let input = input
      return DecoderLayer(mixer: mixer(index, input), feedForward: feedForward(index), input: input)
    }
    // What is kept of a layer's input is all streams; what it reads of them follows.
    let first = firstRecord.flatMap { kept == .all ? nil : $0.withStreamsOfItsOwn } ?? record(shape)
    let second = shared(secondRecord) ?? record(shape)
    let entry = shared(firstInput) ?? RowStorage(columns: description.hiddenSize)
    (firstRecord, secondRecord, firstInput) = (first, second, entry)
    let mixer = mixer(index, entry, record: first)
    return DecoderLayer(
      mixer: mixer, feedForward: feedForward(index, record: second), input: first.streams, records: (first, second))
  }

  private func record(_ shape: HyperConnections) -> StreamRecord {
    StreamRecord(shape, hiddenSize: description.hiddenSize, updates: true)
  }

  private mutating func mixer(
    _ index: Int, _ input: RowStorage<Float>?, record: StreamRecord? = nil
  ) -> any SequenceMixer {
    let (layer, cache, shape) = (weights.runLayers[index], cache.layer(index), description.runLayers[index])
    let (attention, rotates) = (ownAttentions[index], shape.rotates)
    let span = AttentionSpan(slidingWindow: shape.slidingWindow)
    let reading = StreamReading(norm: layer.attentionNorm, connection: layer.attentionConnection, record: record)
    switch (attention, layer.attention) {
    case (.latent(let own), .latent(let weights)):
      let (chosen, indexer) = indexing(own, weights, cache)
      return LatentAttentionLayer(
        reading: reading, own, weights, cache: cache, span: span, rotary: rotary,
        scratch: scratch(own, allHeads: shape.attention.headCount, cache), chosen: chosen, indexer: indexer,
        input: input, slices: latentSlices(shape.attention, weights, layer: index), compute: compute)
    case (.grouped(let own), .grouped(let weights)):
      return GroupedAttentionLayer(
        reading: reading, own, weights, cache: cache, span: span, scale: attention.softmaxScale,
        epsilon: description.normEpsilon, rotary: rotates ? rotary : nil,
        scratch: scratch(own, allHeads: shape.attention.headCount, cache), input: input,
        slices: groupedSlices(shape.attention, weights, layer: index), compute: compute)
    case (.delta(let own), .delta(let weights)):
      return GatedDeltaLayer(
        reading: reading, own, weights, state: LayerState(offset: stateOffsets[index]),
        scale: attention.softmaxScale, epsilon: description.normEpsilon,
        scratch: scratch(own, allHeads: shape.attention), input: input,
        slices: deltaSlices(shape.attention, weights, layer: index),
        compute: compute)
    case (.compressed(let own), .compressed(let weights)):
      return CompressedAttentionLayer(
        reading: reading, own, weights, cache: cache, state: LayerState(offset: stateOffsets[index]),
        scale: attention.softmaxScale, epsilon: description.normEpsilon,
        rotary: own.ratio == nil ? rotary : entryRotary ?? rotary, scratch: scratch(own, cache), input: input,
        compute: compute)
    default: preconditionFailure("weights of one kind of attention under the description of another")
    }
  }

  /// A layer's choice of positions and, where it is the layer's own, the indexer that makes it.
  private mutating func indexing(
    _ shape: LatentAttention, _ weights: LatentAttentionWeights, _ cache: LayerCache
  ) -> (ChosenPositions?, Indexer?) {
    guard let indexer = shape.indexer else { return (nil, nil) }
    let made = indexing ?? (IndexerScratch(indexer), ChosenPositions(topK: indexer.topK))
    indexing = made
    return (
      made.chosen,
      weights.indexer.map {
        Indexer(
          indexer, $0, cache: cache, rotary: rotary, scratch: made.scratch, chosen: made.chosen,
          slices: indexerSlices(indexer), compute: compute)
      }
    )
  }

  private mutating func feedForward(_ index: Int, record: StreamRecord? = nil) -> any FeedForwardLayer {
    let layer = weights.runLayers[index]
    let reading = StreamReading(
      norm: layer.feedForwardNorm, connection: layer.feedForwardConnection, record: record)
    switch layer.feedForward {
    case .dense(let weights):
      return DenseLayer(
        reading: reading, block: block(weights, next: (next([weights.down]), entry(index + 1))), input: middle())
    case .moe(let weights):
      guard let moe = description.moe, let experts else {
        preconditionFailure("an MoE layer without experts to run it")
      }
      return MoELayer(
        index, reading: reading, router: Router(moe), weights,
        shared: weights.shared.map { block($0, moe.sharedActivation, next: (next([$0.down]), nil)) },
        experts: experts.experts, dispatcher: experts.dispatcher, scratch: scratch(moe), input: middle(),
        hostShares: gatherer.flatMap { HostShares($0) },
        next: entry(index + 1), compute: compute)
    }
  }

  /// A place of its own for a layer's input; nil where none is kept.
  private var input: RowStorage<Float>? { kept == .none ? nil : RowStorage(columns: description.hiddenSize) }

  /// A place for the input of a layer's second half.
  private mutating func middle() -> RowStorage<Float>? {
    let made = shared(middleInput) ?? input
    middleInput = made
    return made
  }

  /// What layers of one shape share.
  private func shared<Scratch>(_ scratch: Scratch?) -> Scratch? { kept == .all ? nil : scratch }

  /// `next`: what follows the exchanges of what lies between, and of the output, where they are its own.
  private mutating func block(
    _ weights: FeedForwardWeights, _ activation: Activation = .swiGLU,
    next: (inner: NextWeights?, outer: NextWeights?) = (nil, nil)
  ) -> FeedForward {
    let width = weights.down.columns
    let scratch =
      shared(feedForwards[width])
      ?? FeedForwardScratch(width: width, rowFormat: self.weights.rowFormat, keeps: kept != .none)
    feedForwards[width] = scratch
    return FeedForward(
      weights: weights, scratch: scratch, compute: compute, activation: activation,
      inner: slices(of: width, next: next.inner),
      outer: outputSlices(next: next.outer))
  }

  private mutating func scratch(
    _ shape: LatentAttention, allHeads: Int, _ cache: LayerCache
  ) -> LatentAttentionScratch {
    let sizes = [
      allHeads, shape.headCount, shape.queryRank ?? 0, shape.latentRank, shape.nopeDims, shape.rotaryDims,
      shape.valueDims,
    ]
    let scratch =
      shared(latents[sizes])
      ?? LatentAttentionScratch(
        shape, allHeads: allHeads, cache: cache, rowFormat: weights.rowFormat, workerCount: compute.workerCount,
        keeps: kept != .none)
    latents[sizes] = scratch
    return scratch
  }

  private mutating func scratch(
    _ shape: GroupedAttention, allHeads: Int, _ cache: LayerCache
  ) -> GroupedAttentionScratch {
    let sizes = [allHeads, shape.headCount, shape.keyValueHeadCount, shape.headDims, shape.queryStride]
    let scratch =
      shared(grouped[sizes])
      ?? GroupedAttentionScratch(
        shape, allHeads: allHeads, cache: cache, rowFormat: weights.rowFormat, workerCount: compute.workerCount,
        keeps: kept != .none)
    grouped[sizes] = scratch
    return scratch
  }

  private mutating func scratch(_ shape: GatedDelta, allHeads: AttentionDescription) -> GatedDeltaScratch {
    var all = shape
    if case .delta(let whole) = allHeads { all = whole }
    let scratch =
      shared(deltas[[shape, all]])
      ?? GatedDeltaScratch(shape, allHeads: all, rowFormat: weights.rowFormat, keeps: kept != .none)
    deltas[[shape, all]] = scratch
    return scratch
  }

  private mutating func scratch(_ shape: CompressedAttention, _ cache: LayerCache) -> CompressedAttentionScratch {
    let scratch =
      shared(compressed[shape])
      ?? CompressedAttentionScratch(
        shape, type: cache.type, rowFormat: weights.rowFormat, workerCount: compute.workerCount, keeps: kept != .none)
    compressed[shape] = scratch
    return scratch
  }

  private mutating func scratch(_ moe: MoEDescription) -> MoEScratch {
    let shared = moe.sharedIntermediateSize == nil ? 0 : description.hiddenSize
    let sizes = [moe.expertCount, moe.topK, shared]
    let scratch =
      self.shared(moeScratches[sizes])
      ?? MoEScratch(expertCount: moe.expertCount, topK: moe.topK, sharedSize: shared)
    moeScratches[sizes] = scratch
    return scratch
  }
}
