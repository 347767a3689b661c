// How ranks share out the columns that a layer computes; nil where each computes all of them.

extension LayerAssembly {
  /// Of `count` columns, which `next` are multiplied with.
  func slices(of count: Int, next: NextWeights? = nil) -> RowSlices? {
    gatherer.map { RowSlices(gatherer: $0, ranges: $0.slice.ranges(of: count), next: next) }
  }

  /// Of what a layer adds to the residual stream.
  func outputSlices(next: NextWeights? = nil) -> RowSlices? { slices(of: description.hiddenSize, next: next) }

  /// Of latent attention with these heads on all ranks together, in a layer of the model.
  func latentSlices(_ attention: AttentionDescription, _ weights: LatentAttentionWeights, layer: Int) -> LatentSlices? {
    guard let gatherer, let output = outputSlices(next: feedForwardEntry(layer)), case .latent(let latent) = attention,
      let keyValue = slices(of: latent.latentRank + latent.rotaryDims)
    else { return nil }
    let values = gatherer.slice.heads(of: latent).map { $0 * latent.valueDims }
    return LatentSlices(
      queryLatent: latent.queryRank.flatMap { slices(of: $0) }, keyValue: keyValue,
      values: RowSlices(gatherer: gatherer, ranges: values, next: next([weights.output])), output: output,
      next: next(weights.ofLatents))
  }

  /// Of grouped attention with these heads on all ranks together, in a layer of the model.
  func groupedSlices(
    _ attention: AttentionDescription, _ weights: GroupedAttentionWeights, layer: Int
  ) -> GroupedSlices? {
    guard let gatherer, let output = outputSlices(next: feedForwardEntry(layer)), case .grouped(let grouped) = attention
    else { return nil }
    let heads = gatherer.slice.heads(of: grouped)
    func slices(_ ranges: [Range<Int>]) -> RowSlices {
      RowSlices(gatherer: gatherer, ranges: ranges.map { $0 * grouped.headDims })
    }
    var queries = slices(heads.map(\.queries))
    let keys = slices(heads.map(\.keys))
    let joint = grouped.queryKeyNorm == .fullWidth ? JointNorm(query: queries, key: keys) : nil
    queries.next = next([weights.output])
    return GroupedSlices(values: queries, output: output, joint: joint)
  }

  /// Of gated DeltaNet with these heads on all ranks together, in a layer of the model.
  func deltaSlices(_ attention: AttentionDescription, _ weights: GatedDeltaWeights, layer: Int) -> DeltaSlices? {
    guard let gatherer, let output = outputSlices(next: feedForwardEntry(layer)), case .delta(let delta) = attention
    else { return nil }
    let values = gatherer.slice.heads(of: delta).map { $0.values * delta.valueDims }
    return DeltaSlices(
      values: RowSlices(gatherer: gatherer, ranges: values, next: next([weights.output])), output: output)
  }

  /// Of a lightning indexer.
  func indexerSlices(_ indexer: LightningIndexer) -> IndexerSlices? {
    guard let gatherer, let key = slices(of: indexer.headDims), let headWeights = slices(of: indexer.headCount),
      let queries = slices(of: indexer.headCount * indexer.headDims)
    else { return nil }
    return IndexerSlices(key: key, headWeights: headWeights, queries: queries, gatherer: gatherer)
  }
}
