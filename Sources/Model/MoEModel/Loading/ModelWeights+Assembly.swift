import Kernels
import Tensors

/// Puts a rank's parameters where the layers look for them: what there is follows from the table of parameters.
struct WeightAssembly {
  let description: DecoderDescription
  let held: HeldParameters

  func model() throws -> ModelWeights {
    var weights = ModelWeights(
      embedding: try matrix(ParameterID(.embedding)), layers: try description.layers.indices.map(layer),
      prediction: description.predicts && description.blockDrafting == nil
        ? try prediction(description.layerCount) : nil,
      finalNorm: try vector(ParameterID(.finalNorm)), head: try matrix(ParameterID(.head)),
      rowFormat: description.rowFormat, expertRowFormat: description.expertRowFormat)
    weights.headConnection = try connection(.head, nil)
    if description.predicts, description.blockDrafting != nil { weights.blockDrafting = try blockDrafting() }
    return weights
  }

  private func blockDrafting() throws -> BlockDraftingWeights {
    let (first, last) = (description.layerCount, description.layerCount + description.predictionLayerCount - 1)
    return BlockDraftingWeights(
      fusion: try matrix(.prediction(.fusion), first), fusionNorm: try vector(.prediction(.fusionNorm), first),
      layers: try (first...last).map(layer), headConnection: try connection(.prediction, last),
      norm: try vector(.prediction(.norm), last),
      transitionFrom: try matrix(.prediction(.transitionFrom), last),
      transitionTo: try matrix(.prediction(.transitionTo), last),
      confidence: try matrix(.prediction(.confidence), last))
  }

  private func prediction(_ index: Int) throws -> PredictionWeights {
    let headConnection = try connection(.prediction, index)
    return PredictionWeights(
      embeddingNorm: try vector(.prediction(.embeddingNorm), index),
      hiddenNorm: try vector(.prediction(.hiddenNorm), index),
      projection: try matrix(.prediction(.projection), index),
      embeddingProjection: try headConnection.map { _ in try matrix(.prediction(.embeddingProjection), index) },
      headConnection: headConnection, layer: try layer(index), norm: try vector(.prediction(.norm), index))
  }

  private func layer(_ index: Int) throws -> LayerWeights {
    let shape = description.runLayers[index]
    let attention: AttentionWeights =
      switch description.ownAttentions[index] {
      case .latent(let latent): .latent(try latentAttention(index, latent))
      case .grouped: .grouped(try groupedAttention(index))
      case .delta(let delta): .delta(try gatedDelta(index, delta))
      case .compressed(let compressed): .compressed(try compressedAttention(index, compressed))
      }
    let feedForward: LayerWeights.FeedForward =
      switch shape.feedForward {
      case .dense: .dense(try required(feedForward(.dense, index), ParameterID(.feedForward(.dense, .gate))))
      case .moe: .moe(try moe(index))
      }
    return LayerWeights(
      attentionNorm: try vector(.attentionNorm, index), attentionConnection: try connection(.attention, index),
      feedForwardConnection: try connection(.feedForward, index), attention: attention,
      feedForwardNorm: try vector(.feedForwardNorm, index), feedForward: feedForward)
  }

  private func latentAttention(_ layer: Int, _ shape: LatentAttention) throws -> LatentAttentionWeights {
    let headCount = shape.headCount
    let up = try required(held.parts(ParameterID(.keyValueUp, layer: layer)), ParameterID(.keyValueUp, layer: layer))
    // Without a latent of the query there is one projection.
    let down = held.parts(ParameterID(.queryDown, layer: layer))?.first
    return LatentAttentionWeights(
      queryDown: try down ?? matrix(.query, layer), queryNorm: held.vector(ParameterID(.queryLatentNorm, layer: layer)),
      queryUp: held.parts(ParameterID(.queryUp, layer: layer))?.first, keyValueDown: try matrix(.keyValueDown, layer),
      keyValueNorm: try vector(.keyValueLatentNorm, layer), keyAbsorb: Array(up[..<headCount]),
      valueUp: Array(up[headCount...]), output: try matrix(.attentionOutput, layer),
      indexer: try shape.indexer?.isShared == false ? indexer(layer) : nil)
  }

  private func indexer(_ layer: Int) throws -> IndexerWeights {
    IndexerWeights(
      query: try matrix(.indexQuery, layer), key: try matrix(.indexKey, layer),
      keyNorm: try vector(.indexKeyNorm, layer), keyNormBias: try vector(.indexKeyNormBias, layer),
      headWeights: try matrix(.indexWeights, layer))
  }

  private func groupedAttention(_ layer: Int) throws -> GroupedAttentionWeights {
    GroupedAttentionWeights(
      query: try matrix(.query, layer), key: try matrix(.key, layer), value: try matrix(.value, layer),
      output: try matrix(.attentionOutput, layer), queryNorm: held.vector(ParameterID(.queryNorm, layer: layer)),
      keyNorm: held.vector(ParameterID(.keyNorm, layer: layer)), sinks: held.vector(ParameterID(.sinks, layer: layer)))
  }

  private func gatedDelta(_ layer: Int, _ shape: GatedDelta) throws -> GatedDeltaWeights {
    func part(_ part: ParameterRole.DeltaPart) throws -> PackedMatrix { try matrix(.delta(part), layer) }
    func numbers(_ part: ParameterRole.DeltaPart) throws -> AlignedBuffer<Float> { try vector(.delta(part), layer) }
    /// The runs of rows that this rank has.
    func parts(_ part: ParameterRole.DeltaPart) throws -> [PackedMatrix] {
      let id = ParameterID(.delta(part), layer: layer)
      return try required(held.parts(id), id)
    }
    // Stored [channels, 1, taps]: a kernel takes all channels of a tap.
    let (stored, channels, taps) = (try numbers(.convolution), shape.channels, shape.taps)
    let convolution = AlignedBuffer<Float>(count: taps * channels)
    GatedDeltaWeights.turn(
      stored.pointer, channels: Array(description.ownChannels(ofLayer: layer).joined()), taps: taps, into: convolution)
    let rates = try decayRates(try numbers(.decayRate), layer)
    return GatedDeltaWeights(
      input: try parts(.input), gate: shape.projections == .separate ? try part(.gate) : nil, beta: try parts(.beta),
      decay: shape.projections == .separate ? try part(.decay) : nil, convolution: convolution,
      decayBias: try numbers(.decayBias), decayRate: rates,
      norm: try numbers(.norm), output: try part(.output))
  }

  /// exp(A) of each value head.
  private func decayRates(_ stored: AlignedBuffer<Float>, _ layer: Int) throws -> AlignedBuffer<Float> {
    guard description.storesDecayRates else {
      let rates = AlignedBuffer<Float>(count: stored.count)
      GatedDeltaWeights.rates(stored.pointer, into: rates)
      return rates
    }
    // Above zero a state would grow with each token.
    guard stored.buffer.allSatisfy({ $0 <= 0 }) else {
      let name = description.names.tensor(ParameterID(.delta(.decayRate), layer: layer))
      throw ModelError.growingStates(tensor: name)
    }
    return AlignedBuffer(stored.buffer.map { -$0 })
  }

  private func moe(_ layer: Int) throws -> MoEWeights {
    guard let moe = description.moe else {
      throw ModelError.inconsistent("layer \(layer) has experts but no description of them")
    }
    return MoEWeights(
      router: try matrix(.router, layer), selectionBias: held.vector(ParameterID(.selectionBias, layer: layer)),
      tokenExperts: try tokenExperts(layer, moe),
      shared: feedForward(.shared, layer), sharedGate: held.parts(ParameterID(.sharedGate, layer: layer))?.first,
      experts: (0..<moe.expertCount).map { feedForward(.expert, layer, expert: $0) })
  }

  /// Nil where this rank holds none.
  private func feedForward(
    _ kind: ParameterRole.FeedForwardKind, _ layer: Int, expert: Int? = nil
  ) -> FeedForwardWeights? {
    func part(_ projection: ParameterRole.Projection) -> PackedMatrix? {
      held.parts(ParameterID(.feedForward(kind, projection), layer: layer, expert: expert))?.first
    }
    guard let gate = part(.gate), let up = part(.up), let down = part(.down) else { return nil }
    return FeedForwardWeights(gate: gate, up: up, down: down)
  }

  private func matrix(_ role: ParameterRole, _ layer: Int) throws -> PackedMatrix {
    try matrix(ParameterID(role, layer: layer))
  }

  private func vector(_ role: ParameterRole, _ layer: Int) throws -> AlignedBuffer<Float> {
    try vector(ParameterID(role, layer: layer))
  }

  func matrix(_ id: ParameterID) throws -> PackedMatrix { try required(held.parts(id)?.first, id) }

  func vector(_ id: ParameterID) throws -> AlignedBuffer<Float> { try required(held.vector(id), id) }

  func required<Value>(_ value: Value?, _ id: ParameterID) throws -> Value {
    guard let value else { throw ModelError.missingTensor(description.names.tensor(id)) }
    return value
  }
}
