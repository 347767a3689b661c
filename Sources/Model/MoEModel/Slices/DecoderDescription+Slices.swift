extension DecoderDescription {
  /// The same model, of which a rank holds and computes `slice`.
  package func sliced(_ slice: ModelSlice) -> DecoderDescription {
    var description = self
    description.slice = slice
    return description
  }

  /// Why ranks cannot share out this model by output element; nil where they can.
  package var slicingObstacle: String? {
    for layer in runLayers {
      switch layer.attention {
      case .delta, .compressed: return "a \(family) model keeps recurrent states, which are not divided"
      case .latent(let latent) where latent.indexer != nil:
        return "the indexer that chooses which positions a \(family) model attends is not divided"
      case .latent, .grouped: break
      }
    }
    return predicts ? "a multi-token prediction layer is not divided" : nil
  }

  /// The attention of each layer that runs, with the heads that this rank has of it.
  package var ownAttentions: [AttentionDescription] {
    runLayers.map { layer in slice.map { $0.own(layer.attention) } ?? layer.attention }
  }

  /// Which rows of a matrix, or numbers of a vector, this rank holds.
  func ownRows(of spec: ParameterSpec) -> Range<Int> {
    guard let slice else { return 0..<spec.rows }
    func own(_ ranges: [Range<Int>], width: Int = 1) -> Range<Int> {
      let range = ranges[slice.rank]
      return (range.lowerBound * width)..<(range.upperBound * width)
    }
    switch (spec.role, attention(of: spec)) {
    case (.feedForward(.expert, _), _) where slice.dividesExperts: return own(slice.ranges(of: spec.rows))
    case (.embedding, _), (.head, _), (.attentionOutput, _), (.feedForward(.dense, _), _),
      (.feedForward(.shared, _), _):
      return own(slice.ranges(of: spec.rows))
    case (.query, .grouped(let grouped)):
      return own(slice.heads(of: grouped).map(\.queries), width: grouped.queryStride)
    case (.key, .grouped(let grouped)), (.value, .grouped(let grouped)):
      return own(slice.heads(of: grouped).map(\.keys), width: grouped.headDims)
    case (.sinks, .grouped(let grouped)): return own(slice.heads(of: grouped).map(\.queries))
    case (.queryDown, _), (.keyValueDown, _): return own(slice.ranges(of: spec.rows))
    case (.query, .latent(let latent)), (.queryUp, .latent(let latent)):
      return own(slice.heads(of: latent), width: latent.queryDims)
    default: return 0..<spec.rows
    }
  }

  /// Which heads of a latent's up-projection this rank holds, of so many.
  func ownHeads(of spec: ParameterSpec, count: Int) -> Range<Int> {
    guard let slice, case .latent(let latent) = attention(of: spec) else { return 0..<count }
    return slice.heads(of: latent)[slice.rank]
  }

  private func attention(of spec: ParameterSpec) -> AttentionDescription? {
    spec.layer.map { layers[min($0, layers.count - 1)].attention }
  }
}
