import MoEModel

extension DecoderDescription {
  /// Throws for a model that the backward pass does not know: one whose attention chooses positions. An indexer learns
  /// by a loss of its own, from the attention that it chooses for (DeepSeek-V3.2, arXiv 2512.02556, section 2.1.1).
  package func checkTrainable() throws(PretrainingError) {
    let chooses = layers.contains {
      guard case .latent(let latent) = $0.attention else { return false }
      return latent.indexer != nil
    }
    guard !chooses else { throw .notTrained(family: family) }
  }
}
