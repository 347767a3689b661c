extension DecoderDescription {
  /// The same model, of which a rank holds and computes `slice`.
  package func sliced(_ slice: ModelSlice) -> DecoderDescription {
    var description = self
    description.slice = slice
    return description
  }

  /// Why ranks cannot share out this model by output element; nil where they can. A kind of layer that is not divided
  /// says so here.
  package var slicingObstacle: String? {
    for layer in runLayers {
      switch layer.attention {
      case .latent, .grouped, .delta: break
      case .compressed: return "the compressed attention of a \(family) model is not divided"
      }
    }
    return nil
  }

  /// The attention of each layer that runs, with the heads that this rank has of it.
  package var ownAttentions: [AttentionDescription] {
    runLayers.map { layer in slice.map { $0.own(layer.attention) } ?? layer.attention }
  }

  /// Which rows of a matrix, or numbers of a vector, this rank holds.
  func ownRows(of spec: ParameterSpec) -> Range<Int> {
    guard let slice else { return 0..<spec.rows }
    func own(_ ranges: [Range<Int>], width: Int = 1) -> Range<Int> { ranges[slice.rank] * width }
    switch (spec.role, attention(of: spec)) {
    case (.feedForward(.expert, _), _) where slice.dividesExperts: return own(slice.ranges(of: spec.rows))
    case (.embedding, _), (.head, _), (.attentionOutput, _), (.feedForward(.dense, _), _),
      (.feedForward(.shared, _), _), (.prediction(.projection), _), (.delta(.output), _), (.indexQuery, _),
      (.indexKey, _), (.indexWeights, _):
      return own(slice.ranges(of: spec.rows))
    case (.query, .grouped(let grouped)):
      return own(slice.heads(of: grouped).map(\.queries), width: grouped.queryStride)
    case (.key, .grouped(let grouped)), (.value, .grouped(let grouped)):
      return own(slice.heads(of: grouped).map(\.keys), width: grouped.headDims)
    case (.sinks, .grouped(let grouped)): return own(slice.heads(of: grouped).map(\.queries))
    case (.queryDown, _), (.keyValueDown, _): return own(slice.ranges(of: spec.rows))
    case (.query, .latent(let latent)), (.queryUp, .latent(let latent)):
      return own(slice.heads(of: latent), width: latent.queryDims)
    case (.delta(.gate), .delta(let delta)):
      return own(slice.heads(of: delta).map(\.values), width: delta.valueDims)
    case (.delta(.decay), .delta(let delta)), (.delta(.decayBias), .delta(let delta)),
      (.delta(.decayRate), .delta(let delta)):
      return own(slice.heads(of: delta).map(\.values))
    default: return 0..<spec.rows
    }
  }

  /// The same of a matrix, of which the rows that this rank holds may lie apart: then it holds each run of them as a
  /// matrix of its own, none where it has no rows.
  func ownRuns(of spec: ParameterSpec) -> [Range<Int>] {
    guard let slice, case .delta(let part) = spec.role, case .delta(let delta) = attention(of: spec) else {
      return [ownRows(of: spec)]
    }
    let own = slice.heads(of: delta)[slice.rank]
    switch part {
    case .input: return delta.inputRows(keys: own.keys, values: own.values)
    case .beta: return delta.betaRows(keys: own.keys, values: own.values)
    default: return [ownRows(of: spec)]
    }
  }

  /// Which heads of a latent's up-projection this rank holds, of so many.
  func ownHeads(of spec: ParameterSpec, count: Int) -> Range<Int> {
    guard let slice, case .latent(let latent) = attention(of: spec) else { return 0..<count }
    return slice.heads(of: latent)[slice.rank]
  }

  /// The channels of a layer's convolution that this rank computes.
  func ownChannels(ofLayer index: Int) -> [Range<Int>] {
    guard case .delta(let delta) = runLayers[index].attention else { return [] }
    guard let slice else { return [0..<delta.channels] }
    let own = slice.heads(of: delta)[slice.rank]
    return delta.channelRuns(keys: own.keys, values: own.values)
  }

  private func attention(of spec: ParameterSpec) -> AttentionDescription? {
    spec.layer.map { layer($0).attention }
  }
}
