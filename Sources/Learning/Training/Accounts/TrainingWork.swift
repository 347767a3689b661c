import MoEModel

/// The floating-point operations of training one token, as models' makers count them: those that the model asks for,
/// and not those of computing anything twice.
package struct TrainingWork: Sendable, Equatable {
  /// Elements of the matrices that a token meets: router, chosen and shared experts, attention, head. Not the
  /// embedding, of which it reads a row.
  package private(set) var activeElements = 0
  /// Of the whole model, all of its parameters.
  package private(set) var parameterCount = 0
  /// Operations of attention's products between tokens in the forward pass, a token:
  /// `2 · keys · heads · (query + value dimensions)` with as many keys as a token sees on average, half of the
  /// sequence, or of its entries beside a window.
  package private(set) var attention = 0.0

  /// `predicts`: with multi-token prediction modules, as the description has it if it is nil; each is a
  /// layer, its projection, and the head once more.
  package init(_ description: DecoderDescription, sequenceLength: Int, predicts: Bool? = nil) {
    let modules = predicts ?? description.predicts ? description.predictionLayerCount : 0
    for layer in 0..<(description.layerCount + modules) {
      for spec in description.parameters(ofLayer: layer, experts: 0..<1) { add(spec, description) }
      let kind = description.layers[min(layer, description.layerCount - 1)]
      attention += Self.attention(kind, length: sequenceLength)
    }
    let head = description.vocabularySize * description.hiddenSize
    activeElements += head
    parameterCount += (description.tiedEmbeddings ? head : 2 * head) + description.hiddenSize
  }

  private mutating func add(_ spec: ParameterSpec, _ description: DecoderDescription) {
    let moe = description.moe
    switch spec.role {
    // What a module shares with the model is counted there; its head is met once more.
    case .prediction(.embedding): break
    case .prediction(.head): activeElements += spec.elementCount
    case .feedForward(.expert, _):
      parameterCount += spec.elementCount * (moe?.expertCount ?? 0)
      if spec.isMatrix { activeElements += spec.elementCount * (moe?.topK ?? 0) }
    default:
      parameterCount += spec.elementCount
      if spec.isMatrix { activeElements += spec.elementCount }
    }
  }

  private static func attention(_ layer: LayerDescription, length: Int) -> Double {
    let (heads, dims): (Int, Int)
    switch layer.attention {
    case .latent(let latent): (heads, dims) = (latent.headCount, latent.queryDims + latent.valueDims)
    case .grouped(let grouped): (heads, dims) = (grouped.headCount, 2 * grouped.headDims)
    case .compressed(let compressed): (heads, dims) = (compressed.headCount, 2 * compressed.headDims)
    // A head's matrix is met three times, whatever came before: recalled, corrected, asked.
    case .delta(let delta): return 6 * Double(delta.valueHeadCount * delta.keyDims * delta.valueDims)
    }
    let window = Double(min(length, layer.slidingWindow ?? length))
    var keys = window - window * window / (2 * Double(max(1, length)))
    if case .compressed(let compressed) = layer.attention, let ratio = compressed.ratio {
      // Entries, of which there are more with each token, up to as many as are chosen.
      let entries = Double(length) / Double(ratio)
      let seen = min(entries, compressed.indexer.map { Double($0.topK) } ?? entries)
      keys += seen - seen * seen / (2 * max(entries, 1))
    }
    return 2 * keys * Double(heads * dims)
  }

  /// Of a forward pass, a token.
  package var forwardOperations: Double { 2 * Double(activeElements) + attention }
  /// Of forward and backward pass, a token: 6 · active elements + 3 · attention.
  package var operations: Double { 3 * forwardOperations }

  /// The part of a peak, in operations a second, that so many tokens a second make use of (MFU).
  package func utilization(tokensPerSecond: Double, peak: Double) -> Double {
    peak > 0 ? operations * tokensPerSecond / peak : 0
  }
}
