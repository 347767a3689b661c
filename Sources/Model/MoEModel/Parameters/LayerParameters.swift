// What each kind of layer has for parameters: the only place that knows their shapes.

extension LatentAttention {
  func list(into list: inout ParameterList, hidden: Int) {
    let queries = headCount * queryDims
    list.matrix(.keyValueDown, rows: latentRank + rotaryDims, columns: hidden, hasBias: hasBias)
    list.vector(.keyValueLatentNorm, count: latentRank)
    list.matrix(
      .keyValueUp, rows: headCount * (nopeDims + valueDims), columns: latentRank, use: .latentUp,
      heads: LatentHeads(count: headCount, keyRows: nopeDims, valueRows: valueDims))
    list.matrix(.attentionOutput, rows: hidden, columns: headCount * valueDims, hasBias: hasBias)
    if let indexer, !indexer.isShared, let queryRank { indexer.list(into: &list, hidden: hidden, queryRank: queryRank) }
    guard let queryRank else { return list.matrix(.query, rows: queries, columns: hidden) }
    list.matrix(.queryDown, rows: queryRank, columns: hidden, hasBias: hasBias)
    list.vector(.queryLatentNorm, count: queryRank)
    list.matrix(.queryUp, rows: queries, columns: queryRank)
  }
}

extension LightningIndexer {
  func list(into list: inout ParameterList, hidden: Int, queryRank: Int) {
    list.matrix(.indexQuery, rows: headCount * headDims, columns: queryRank, use: .sensitive)
    list.matrix(.indexKey, rows: headDims, columns: hidden, use: .sensitive)
    list.vector(.indexKeyNorm, count: headDims)
    list.vector(.indexKeyNormBias, count: headDims)
    list.matrix(.indexWeights, rows: headCount, columns: hidden, use: .choice)
  }
}

extension GroupedAttention {
  /// `normOffset`: what is added to the norms' stored weights.
  func list(into list: inout ParameterList, hidden: Int, normOffset: Float) {
    let (queries, keys) = (headCount * headDims, keyValueHeadCount * headDims)
    list.matrix(.query, rows: headCount * queryStride, columns: hidden, hasBias: projectionBias)
    list.matrix(.key, rows: keys, columns: hidden, hasBias: projectionBias)
    list.matrix(.value, rows: keys, columns: hidden, hasBias: projectionBias)
    list.matrix(.attentionOutput, rows: hidden, columns: queries, hasBias: outputBias)
    switch queryKeyNorm {
    case .none: break
    case .perHead:
      list.vector(.queryNorm, count: headDims, offset: normOffset)
      list.vector(.keyNorm, count: headDims, offset: normOffset)
    case .fullWidth:
      list.vector(.queryNorm, count: queries, offset: normOffset)
      list.vector(.keyNorm, count: keys, offset: normOffset)
    }
    if hasSinks { list.vector(.sinks, count: headCount) }
  }
}

extension GatedDelta {
  /// Betas and decays are few and of much effect: they are never rounded.
  func list(into list: inout ParameterList, hidden: Int) {
    switch projections {
    case .fused:
      list.matrix(.delta(.input), rows: channels + valueWidth, columns: hidden)
      list.matrix(.delta(.beta), rows: 2 * valueHeadCount, columns: hidden, use: .choice)
    case .separate:
      list.matrix(.delta(.input), rows: channels, columns: hidden)
      list.matrix(.delta(.gate), rows: valueWidth, columns: hidden)
      list.matrix(.delta(.beta), rows: valueHeadCount, columns: hidden, use: .choice)
      list.matrix(.delta(.decay), rows: valueHeadCount, columns: hidden, use: .choice)
    }
    list.matrix(.delta(.output), rows: hidden, columns: valueWidth)
    list.vector(.delta(.convolution), count: channels * taps, storedShape: [channels, 1, taps])
    list.vector(.delta(.decayBias), count: valueHeadCount)
    list.vector(.delta(.decayRate), count: valueHeadCount)
    list.vector(.delta(.norm), count: valueDims)
  }
}

extension CompressedAttention {
  /// What entries are made by is of few bytes and of much effect, as indexers are.
  func list(into list: inout ParameterList, hidden: Int) {
    list.matrix(.queryDown, rows: queryRank, columns: hidden)
    list.vector(.queryLatentNorm, count: queryRank)
    list.matrix(.queryUp, rows: queryWidth, columns: queryRank)
    list.matrix(.keyValueDown, rows: headDims, columns: hidden)
    list.vector(.keyValueLatentNorm, count: headDims)
    list.matrix(.outputDown, rows: groupCount * groupRank, columns: groupWidth, groups: groupCount)
    list.matrix(.attentionOutput, rows: hidden, columns: groupCount * groupRank)
    list.vector(.sinks, count: headCount)
    keyPool?.list(into: &list, hidden: hidden) { .pool($0) }
    guard let indexer else { return }
    indexPool?.list(into: &list, hidden: hidden) { .indexPool($0) }
    list.matrix(.indexQuery, rows: indexer.headCount * indexer.headDims, columns: queryRank, use: .sensitive)
    list.matrix(.indexWeights, rows: indexer.headCount, columns: hidden, use: .choice)
  }
}

extension CompressedAttention.Pool {
  func list(into list: inout ParameterList, hidden: Int, _ role: (ParameterRole.PoolPart) -> ParameterRole) {
    list.matrix(role(.value), rows: width, columns: hidden, use: .sensitive)
    list.matrix(role(.gate), rows: width, columns: hidden, use: .sensitive)
    list.vector(role(.gateBias), count: ratio * width, storedShape: [ratio, width])
    list.vector(role(.norm), count: dims)
  }
}

extension HyperConnections {
  /// Of half a layer, or of a head, which only adds streams up.
  func list(into list: inout ParameterList, hidden: Int, of place: ParameterRole.HyperPlace) {
    let isHead = place == .head || place == .prediction
    let count = isHead ? streams : weightCount
    list.matrix(.hyper(.function, of: place), rows: count, columns: streams * hidden, use: .choice)
    list.vector(.hyper(.base, of: place), count: count)
    list.vector(.hyper(.scale, of: place), count: isHead ? 1 : 3)
  }
}

extension MoEDescription {
  /// `experts`: those of the routed experts that are wanted. `tokens`: how many tokens have a table of their experts;
  /// nil where the router chooses.
  func list(into list: inout ParameterList, hidden: Int, experts: Range<Int>, tokens: Int? = nil) {
    for expert in experts {
      list.expert = expert
      list.feedForward(.expert, hidden: hidden, intermediate: expertIntermediateSize, hasBias: expertHasBias)
    }
    list.expert = nil
    list.matrix(.router, rows: expertCount, columns: hidden, hasBias: router.hasLinearBias, use: .choice)
    if let tokens {
      list.vector(.tokenExperts, count: tokens * topK, storedShape: [tokens, topK])
    } else if router.hasSelectionBias {
      list.vector(.selectionBias, count: expertCount)
    }
    if let sharedIntermediateSize {
      list.feedForward(.shared, hidden: hidden, intermediate: sharedIntermediateSize, hasBias: sharedHasBias)
    }
    if sharedIsGated { list.matrix(.sharedGate, rows: 1, columns: hidden, use: .choice) }
  }
}

extension DecoderDescription {
  /// The parameters of one layer, in the order in which checkpoints are written; with `experts`, of its routed experts
  /// only those. A layer past the last is a multi-token prediction module: a layer, and what joins it to the model.
  package func parameters(ofLayer index: Int, experts: Range<Int>? = nil) -> [ParameterSpec] {
    var list = ParameterList(layer: index)
    let layer = layer(index)
    switch layer.attention {
    case .latent(let latent): latent.list(into: &list, hidden: hiddenSize)
    case .grouped(let grouped): grouped.list(into: &list, hidden: hiddenSize, normOffset: normOffset)
    case .delta(let delta): delta.list(into: &list, hidden: hiddenSize)
    case .compressed(let compressed): compressed.list(into: &list, hidden: hiddenSize)
    }
    switch (layer.feedForward, moe) {
    case (.dense(let intermediate), _):
      list.feedForward(.dense, hidden: hiddenSize, intermediate: intermediate, hasBias: denseHasBias)
    case (.moe, let moe?):
      moe.list(
        into: &list, hidden: hiddenSize, experts: experts ?? 0..<moe.expertCount,
        tokens: layer.routesByToken ? vocabularySize : nil)
    case (.moe, nil): break
    }
    list.vector(.attentionNorm, count: hiddenSize, offset: normOffset)
    list.vector(.feedForwardNorm, count: hiddenSize, offset: normOffset)
    if case .hyper(let hyper) = residual {
      hyper.list(into: &list, hidden: hiddenSize, of: .attention)
      hyper.list(into: &list, hidden: hiddenSize, of: .feedForward)
    }
    if index >= layers.count {
      if let blockDrafting {
        list.blockDrafting(blockDrafting, module: index - layers.count, of: self)
      } else {
        listPrediction(into: &list)
      }
    }
    return list.specs
  }

  /// What is added to the stored weights of norms.
  var normOffset: Float { normsAddOne ? 1 : 0 }

  private func listPrediction(into list: inout ParameterList) {
    list.matrix(.prediction(.embedding), rows: vocabularySize, columns: hiddenSize, use: .sensitive)
    list.vector(.prediction(.embeddingNorm), count: hiddenSize, offset: normOffset)
    list.vector(.prediction(.hiddenNorm), count: hiddenSize, offset: normOffset)
    if case .hyper(let hyper) = residual {
      list.matrix(.prediction(.embeddingProjection), rows: hiddenSize, columns: hiddenSize)
      list.matrix(.prediction(.projection), rows: hiddenSize, columns: hiddenSize)
      hyper.list(into: &list, hidden: hiddenSize, of: .prediction)
    } else {
      list.matrix(.prediction(.projection), rows: hiddenSize, columns: 2 * hiddenSize)
    }
    list.vector(.prediction(.norm), count: hiddenSize, offset: normOffset)
    list.matrix(.prediction(.head), rows: vocabularySize, columns: hiddenSize, use: .sensitive)
  }
}

extension ParameterList {
  /// What modules have that draft blocks together: what joins them to the model in the first, what guesses in the last.
  fileprivate mutating func blockDrafting(_ blocks: BlockDrafting, module: Int, of model: DecoderDescription) {
    let (hidden, vocabulary, rank) = (model.hiddenSize, model.vocabularySize, blocks.transitionRank)
    if module == 0 {
      matrix(.prediction(.fusion), rows: hidden, columns: blocks.sources.count * hidden)
      vector(.prediction(.fusionNorm), count: hidden, offset: model.normOffset)
    }
    guard module == model.predictionLayerCount - 1 else { return }
    if case .hyper(let hyper) = model.residual { hyper.list(into: &self, hidden: hidden, of: .prediction) }
    vector(.prediction(.norm), count: hidden, offset: model.normOffset)
    matrix(.prediction(.transitionFrom), rows: vocabulary, columns: rank, use: .sensitive)
    matrix(.prediction(.transitionTo), rows: vocabulary, columns: rank, use: .sensitive)
    matrix(.prediction(.confidence), rows: 1, columns: hidden + rank, use: .choice)
  }
}
