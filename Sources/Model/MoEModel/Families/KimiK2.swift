extension ModelFamily {
  /// Kimi K2: DeepSeek-V3 in another size. Its `model_type` tells engines apart, not models.
  static let kimiK2 = deepSeekV3.renamed("kimi_k2")
}
