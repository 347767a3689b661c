// How ranks share out the columns that a layer computes; nil where each computes all of them.

extension LayerAssembly {
  /// Of `count` columns.
  func slices(of count: Int) -> RowSlices? {
    gatherer.map { RowSlices(gatherer: $0, ranges: $0.slice.ranges(of: count)) }
  }

  /// Of what a layer adds to the residual stream.
  var outputSlices: RowSlices? { slices(of: description.hiddenSize) }

  /// Of latent attention with these heads on all ranks together.
  func latentSlices(_ attention: AttentionDescription) -> LatentSlices? {
    guard let gatherer, let output = outputSlices, case .latent(let latent) = attention,
      let keyValue = slices(of: latent.latentRank + latent.rotaryDims)
    else { return nil }
    let values = gatherer.slice.heads(of: latent).map { $0 * latent.valueDims }
    return LatentSlices(
      queryLatent: latent.queryRank.flatMap { slices(of: $0) }, keyValue: keyValue,
      values: RowSlices(gatherer: gatherer, ranges: values), output: output)
  }

  /// Of grouped attention with these heads on all ranks together.
  func groupedSlices(_ attention: AttentionDescription) -> GroupedSlices? {
    guard let gatherer, let output = outputSlices, case .grouped(let grouped) = attention else { return nil }
    let heads = gatherer.slice.heads(of: grouped)
    func slices(_ ranges: [Range<Int>]) -> RowSlices {
      RowSlices(gatherer: gatherer, ranges: ranges.map { $0 * grouped.headDims })
    }
    let (queries, keys) = (slices(heads.map(\.queries)), slices(heads.map(\.keys)))
    let joint = grouped.queryKeyNorm == .fullWidth ? JointNorm(query: queries, key: keys) : nil
    return GroupedSlices(values: queries, output: output, joint: joint)
  }

  /// Of gated DeltaNet with these heads on all ranks together.
  func deltaSlices(_ attention: AttentionDescription) -> DeltaSlices? {
    guard let gatherer, let output = outputSlices, case .delta(let delta) = attention else { return nil }
    let values = gatherer.slice.heads(of: delta).map { $0.values * delta.valueDims }
    return DeltaSlices(values: RowSlices(gatherer: gatherer, ranges: values), output: output)
  }

  /// Of a lightning indexer.
  func indexerSlices(_ indexer: LightningIndexer) -> IndexerSlices? {
    guard let gatherer, let key = slices(of: indexer.headDims), let headWeights = slices(of: indexer.headCount),
      let queries = slices(of: indexer.headCount * indexer.headDims)
    else { return nil }
    return IndexerSlices(key: key, headWeights: headWeights, queries: queries, gatherer: gatherer)
  }
}
