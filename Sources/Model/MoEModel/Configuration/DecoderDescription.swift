import Kernels

/// A decoder-only language model, as its published configuration describes it: one description that every
/// supported family fills in.
package struct DecoderDescription: Sendable {
  /// `model_type` as published, for example "deepseek_v3"; of the text model where that is a part of a larger one.
  package var family: String
  package var vocabularySize: Int
  package var hiddenSize: Int
  /// Longest sequence, in tokens, the positions were made for.
  package var maximumPositions: Int
  package var normEpsilon: Float
  /// The output head is the embedding matrix.
  package var tiedEmbeddings: Bool
  package var rotary: RotaryDescription
  /// How layers turn that attend to entries of several tokens; nil where there are none.
  package var entryRotary: RotaryDescription? = nil
  package var residual = ResidualDescription.plain
  package var layers: [LayerDescription]
  /// What the layers of kind `.moe` are made of; nil for a dense model.
  package var moe: MoEDescription?
  package var denseHasBias: Bool
  /// Norms of the residual stream, of queries and of keys multiply by 1 + what is stored.
  package var normsAddOne = false
  /// Gated DeltaNet's rates of decay are stored as they are used, −exp(A), and not as their logarithms.
  package var storesDecayRates = false
  package var quantization: Quantization
  /// What the configuration says of the blocks of FP8 scales.
  package var float8Block: Quantization.Block?
  /// How the weights are to be held.
  package var weights: WeightPrecision
  /// What the checkpoint calls its tensors.
  package var names: PublishedNames
  /// Layers of the checkpoint past the last one: multi-token prediction modules.
  package var predictionLayerCount: Int
  /// What the layer of such a module is like; nil where it is like the model's last one.
  package var predictionLayer: LayerDescription? = nil
  /// How all modules together draft blocks of tokens; nil where the first guesses the token after the next one.
  package var blockDrafting: BlockDrafting? = nil
  /// Whether the first of these modules, or all that draft blocks, are held and run; they are left out otherwise.
  package private(set) var predicts = false
  /// Layers of modules that a checkpoint keeps outside of the model's, under `mtp.`, of families whose modules are not
  /// run: always left out.
  package var outerPredictionLayerCount = 0
  /// Settings of `config.json` that nothing here reads although they may change results.
  package var unreadSettings: [String] = []
  /// Tensors outside the layers that the model makes no use of.
  package var unreadTensors: [String] = []
  /// Whether matrices are stored in forms that are held in integers: GGUF's blocks, and what others pack in four bits.
  package var storesIntegers = false
  /// How many matrices are stored in each form in which none is held.
  package var roundedForms: [String: Int] = [:]
  /// How many of each other form are rounded to q8 beside GGUF's blocks or packed experts, unless told otherwise.
  package var roundedBesideIntegers: [String: Int] = [:]
  /// The published model that this text model is a part of; nil for one that stands alone.
  package var composite: CompositeModel?
  /// What of all that is no routed expert this rank holds, where ranks share it out; nil where each holds all of it.
  package internal(set) var slice: ModelSlice?
  /// How many tensors belong to each of that model's other parts.
  package var otherPartCounts: [String: Int] = [:]

  package var layerCount: Int { layers.count }

  /// The same model with its weights held in `precision`; throws when the checkpoint was quantised to another.
  package func holding(_ precision: WeightPrecision) throws -> DecoderDescription {
    var description = self
    guard precision != .auto, precision != weights else { return description }
    if case .martinet(let own) = quantization { throw ModelError.alreadyQuantized(own, asked: precision) }
    description.weights = precision
    return description
  }

  /// The same model with one multi-token prediction module, or all that draft blocks together, which are run.
  package func predicting() -> DecoderDescription {
    var description = self
    description.predicts = true
    if blockDrafting == nil { description.predictionLayerCount = 1 }
    return description
  }

  /// The layers that run: the model's, and a module's, or those of all that draft blocks.
  package var runLayers: [LayerDescription] {
    guard predicts, !layers.isEmpty else { return layers }
    return layers + (0..<predictionLayerCount).map { layer(layers.count + $0) }
  }

  /// The numbers of layers that modules have, or would have.
  package var moduleLayers: Range<Int> { layerCount..<(layerCount + max(1, predictionLayerCount)) }

  /// One of the model's layers, or what the layer of a module is like.
  package func layer(_ index: Int) -> LayerDescription {
    guard index >= layers.count else { return layers[index] }
    var layer = predictionLayer ?? layers[layers.count - 1]
    if blockDrafting != nil, case .compressed(var attention) = layer.attention {
      attention.seesBlock = true
      layer.attention = .compressed(attention)
    }
    return layer
  }
  /// Those of them that are MoE layers.
  package var moeLayers: [Int] {
    let layers = runLayers
    return layers.indices.filter { layers[$0].isMoE }
  }
}

package struct LayerDescription: Sendable {
  package enum FeedForward: Sendable, Equatable {
    case dense(intermediateSize: Int)
    case moe
  }
  /// How a token takes in what came before it; what is kept for that is a property of it.
  package var attention: AttentionDescription
  package var feedForward: FeedForward
  /// A token sees itself and `slidingWindow - 1` tokens before it; nil for all.
  package var slidingWindow: Int? = nil
  /// Queries and keys turn with their position; where they do not, the layer tells positions apart by its mask alone.
  /// Of grouped attention only: latent attention always turns.
  package var rotates = true
  /// A token's experts follow from its id, by a table; the router only weighs them.
  package var routesByToken = false

  package var isMoE: Bool { feedForward == .moe }
}

package enum AttentionDescription: Sendable {
  case latent(LatentAttention)
  case grouped(GroupedAttention)
  case delta(GatedDelta)
  case compressed(CompressedAttention)

  package var headCount: Int {
    switch self {
    case .latent(let latent): latent.headCount
    case .grouped(let grouped): grouped.headCount
    case .delta(let delta): delta.valueHeadCount
    case .compressed(let compressed): compressed.headCount
    }
  }

  /// Bytes a block of so many positions occupies in one layer's cache of that type: the state that grows with a
  /// sequence.
  package func cacheByteCount(_ type: CacheType, positions: Int) -> Int {
    switch self {
    case .latent(let latent): (type.byteCount(latent.rowWidth) + type.ofNumbers.byteCount(indexWidth)) * positions
    case .grouped(let grouped): 2 * grouped.keyValueHeadCount * type.byteCount(grouped.headDims) * positions
    case .delta: 0
    case .compressed(let compressed): cacheType(type).byteCount(compressed.cacheCount(positions: positions))
    }
  }

  /// How a cache of that type holds the layer's rows. Entries of compressed attention, which are few, are not held in
  /// int8.
  func cacheType(_ type: CacheType) -> CacheType {
    if case .compressed = self { type.ofNumbers } else { type }
  }

  /// Floats one sequence occupies in one layer's recurrent state, however long it is.
  package var stateCount: Int {
    switch self {
    case .latent, .grouped: 0
    case .delta(let delta): delta.stateCount
    case .compressed(let compressed): compressed.stateCount
    }
  }

  /// Floats of the key of an indexer of the layer's own: of a token, or of an entry.
  package var indexWidth: Int {
    switch self {
    case .latent(let latent): latent.indexer.map { $0.isShared ? 0 : $0.headDims } ?? 0
    case .compressed(let compressed): compressed.indexer?.headDims ?? 0
    case .grouped, .delta: 0
    }
  }

  /// Floats of a row of the cache without that: of a token, or of an entry.
  package var rowWidth: Int {
    switch self {
    case .latent(let latent): latent.rowWidth
    case .grouped(let grouped): 2 * grouped.keyValueHeadCount * grouped.headDims
    case .delta: 0
    case .compressed(let compressed): compressed.ratio == nil ? 0 : compressed.headDims
    }
  }

  /// Factor on query-key products before the softmax.
  package var softmaxScale: Float {
    switch self {
    case .latent(let latent): latent.softmaxScale
    case .grouped(let grouped): Float(1 / Double(grouped.headDims).squareRoot())
    case .delta(let delta): Float(1 / Double(delta.keyDims).squareRoot())
    case .compressed(let compressed): Float(1 / Double(compressed.headDims).squareRoot())
    }
  }
}

/// Multi-head latent attention (DeepSeek-V2, section 2.1): keys and values are low-rank projections of one latent
/// vector a token, which is all that the cache holds, beside one rotary key shared by all heads.
package struct LatentAttention: Sendable {
  package var headCount: Int
  /// Rank of the query projection; nil for a full one.
  package var queryRank: Int?
  package var latentRank: Int
  package var nopeDims: Int
  package var rotaryDims: Int
  package var valueDims: Int
  /// (nope + rotary)^-0.5, times mscale² under YaRN.
  package var softmaxScale: Float
  package var hasBias: Bool
  /// What chooses the positions that a token attends; nil where it attends all.
  package var indexer: LightningIndexer? = nil

  package var queryDims: Int { nopeDims + rotaryDims }
  /// Latent and rotary key.
  package var rowWidth: Int { latentRank + rotaryDims }
}

/// The lightning indexer (DeepSeek-V3.2, arXiv 2512.02556, section 2.1): beyond `topK` positions a token attends to the
/// `topK` that score highest by a few small heads with one key in common, of equal ones to the earlier. A score is the
/// sum over heads of a weight, which comes from the token's hidden state, times what is positive of query · key.
package struct LightningIndexer: Sendable, Hashable {
  package var headCount: Int
  /// Of a query and of the key; the attention's rotary dimensions are the first of them, of entries the last.
  package var headDims: Int
  package var topK: Int
  /// How rotary dimensions are paired here.
  package var interleaved: Bool
  /// The layer has no indexer of its own: it attends to what was chosen in the last layer that has one (arXiv
  /// 2603.12201).
  package var isShared: Bool
}

/// Attention with `headCount / keyValueHeadCount` query heads to each key-value head.
package struct GroupedAttention: Sendable {
  package enum QueryKeyNorm: Sendable { case none, perHead, fullWidth }
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headDims: Int
  package var queryKeyNorm: QueryKeyNorm
  package var projectionBias: Bool
  package var outputBias: Bool
  /// Queries, keys and values are clipped to ±this.
  package var clip: Float?
  /// One learned logit a head that takes probability mass only.
  package var hasSinks: Bool
  /// Queries are projected twice as wide, `[query | gate]` for each head; what a head attends is multiplied by
  /// sigmoid(gate).
  package var hasGate = false

  package var queriesPerKey: Int { headCount / max(keyValueHeadCount, 1) }
  /// From one head's query to the next one's, as projected.
  package var queryStride: Int { hasGate ? 2 * headDims : headDims }
}

/// What a feed-forward layer does between its projections.
package enum Activation: Sendable, Equatable {
  /// silu(gate) · up
  case swiGLU
  /// gpt-oss: (clamp(up) + 1) · g · sigmoid(alpha · g), g = min(gate, limit)
  case clampedSwiGLU(alpha: Float, limit: Float)
  /// DeepSeek-V4: silu(min(gate, limit)) · clamp(up)
  case limitedSwiGLU(limit: Float)
}

/// The MoE layers: all alike.
package struct MoEDescription: Sendable {
  package var expertCount: Int
  package var topK: Int
  package var expertIntermediateSize: Int
  package var activation: Activation
  package var router: RouterDescription
  package var expertHasBias: Bool
  /// Width of the shared expert that every token visits; nil for none.
  package var sharedIntermediateSize: Int?
  package var sharedHasBias = false
  package var sharedActivation = Activation.swiGLU
  /// The shared expert's output is multiplied by sigmoid(gate · x).
  package var sharedIsGated: Bool
}

/// How a token's experts and their weights follow from the router's logits.
package struct RouterDescription: Sendable {
  package enum Scoring: Sendable {
    case sigmoid
    case softmax
    /// Softmax over the chosen experts' logits only.
    case softmaxOverChosen
    /// √ln(1 + eˣ)
    case rootSoftplus
  }
  package enum GroupScore: Sendable { case maximum, topTwoSum }
  package struct Groups: Sendable {
    package var count: Int
    package var kept: Int
    package var score: GroupScore
  }
  package var scoring: Scoring
  /// `e_score_correction_bias`, added to scores for the choice only.
  package var hasSelectionBias: Bool
  /// A bias of the router's own projection.
  package var hasLinearBias: Bool
  package var groups: Groups?
  /// Weights of the chosen experts are divided by their sum, or by `normFloor` where it is less.
  package var normalizes: Bool
  package var normFloor: Float = 0
  package var scale: Float
}

/// How the checkpoint stores its large matrices.
package enum Quantization: Sendable, Equatable {
  /// Rows and columns that share a scale.
  package struct Block: Sendable, Equatable {
    package var rows: Int
    package var columns: Int

    package init(rows: Int, columns: Int) {
      self.rows = rows
      self.columns = columns
    }
  }
  case none
  /// FP8 E4M3 with scales for each block, output channel or tensor.
  case float8
  /// Experts in MXFP4, or other matrices too: 4-bit values, a power-of-two scale for each 32.
  case mxfp4Experts
  /// 4-bit values with an FP8 scale for each 16, times one for the tensor.
  case nvfp4
  /// Integers of 4 or 8 bits with scales for groups of columns.
  case integers(IntegerPacking)
  /// As `martinet quantize` writes them; matrices it left alone may be FP8 with scales still.
  case martinet(WeightPrecision)
}
