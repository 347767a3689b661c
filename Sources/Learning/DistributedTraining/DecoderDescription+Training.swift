import MoEModel

extension DecoderDescription {
  /// Throws for sequences that the backward pass does not know: those with more tokens than attention chooses positions
  /// for them, or than fill the entries that it chooses. What an indexer chooses has no gradient: it would have to
  /// learn by a loss of its own, from the attention that it chooses for (DeepSeek-V3.2, arXiv 2512.02556, section
  /// 2.1.1). Up to that length all is chosen, attention is dense, and the indexer, which nothing depends on, is kept as
  /// it is; so it is in PyTorch.
  package func checkTrainable(sequenceLength: Int) throws(DistributedTrainingError) {
    let chosen = runLayers.compactMap { layer -> Int? in
      switch layer.attention {
      case .latent(let latent): return latent.indexer?.topK
      case .compressed(let compressed):
        guard let indexer = compressed.indexer, let ratio = compressed.ratio else { return nil }
        // One entry more than is chosen is complete with the token after these.
        return (indexer.topK + 1) * ratio - 1
      case .grouped, .delta: return nil
      }
    }
    guard let least = chosen.min(), sequenceLength > least else { return }
    throw .choosesPositions(family: family, sequenceLength: sequenceLength, most: least)
  }
}
