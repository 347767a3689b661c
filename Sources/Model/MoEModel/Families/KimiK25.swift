extension CompositeModel {
  /// Kimi K2.5, K2.6 and K2.7-Code: Kimi K2 with eyes. What the whole says of tied embeddings is a default of its
  /// configuration class and not the text model's, so that it does not count.
  static let kimiK25 = CompositeModel(
    "kimi_k25", family: "kimi_k2", prefixes: [.languageModel],
    otherParts: ["vision_tower.", "mm_projector.", "multi_modal_projector."])
}
