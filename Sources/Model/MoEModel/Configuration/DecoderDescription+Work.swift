import Telemetry

extension DecoderDescription {
  /// Parameters of each part, norms and biases left out, and rows that ranks exchange where they share out all of it.
  package var work: ModelWork {
    var work = ModelWork()
    work.hiddenSize = hiddenSize
    work.layers = runLayers.count
    work.moeLayers = moeLayers.count
    work.head = hiddenSize * vocabularySize
    if predicts {
      work.modules = predictionLayerCount
      work.moduleHeads = blockDrafting == nil ? predictionLayerCount : 1
      work.moduleInput = moduleInput
    }
    work.exchanges = exchanges
    // Layers may differ in how they mix tokens: each counts as their mean.
    work.attention =
      layers.indices.reduce(0) { $0 + (matrixElements(ofLayer: $1)[.attention] ?? 0) } / max(layerCount, 1)
    func attention(_ isMeant: (ParameterRole) -> Bool) -> Int {
      layers.indices.reduce(0) { sum, layer in
        parameters(ofLayer: layer, experts: 0..<0).reduce(sum) { sum, spec in
          spec.isMatrix && spec.role.part == .attention && isMeant(spec.role) ? sum + spec.elementCount : sum
        }
      } / max(layerCount, 1)
    }
    work.attentionOutput = attention { $0 == .attentionOutput || $0 == .delta(.output) }
    work.attentionEntry = work.attention - work.attentionOutput - attention { $0.meetsLatents }
    for layer in [layers.lastIndex { !$0.isMoE }, moeLayers.first].compactMap(\.self) {
      let parts = matrixElements(ofLayer: layer)
      work.dense = parts[.denseFeedForward] ?? work.dense
      work.router = parts[.router] ?? 0
      work.expert = parts[.routedExperts] ?? 0
      work.shared = parts[.sharedExperts] ?? 0
    }
    return work
  }

  /// Elements of what joins the first prediction module to the model.
  private var moduleInput: Int {
    parameters(ofLayer: layerCount, experts: 0..<0).reduce(0) { sum, spec in
      switch spec.role {
      case .prediction(.projection), .prediction(.embeddingProjection), .prediction(.fusion): sum + spec.elementCount
      default: sum
      }
    }
  }

  /// Elements of a layer's matrices by part, of its routed experts one.
  private func matrixElements(ofLayer layer: Int) -> [ModelInventory.Part: Int] {
    parameters(ofLayer: layer, experts: 0..<1).reduce(into: [:]) { parts, spec in
      // A shared expert's gate is one row.
      if spec.isMatrix, spec.role != .sharedGate { parts[spec.role.part, default: 0] += spec.elementCount }
    }
  }
}
