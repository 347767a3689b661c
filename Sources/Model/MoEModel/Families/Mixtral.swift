import Checkpoints

extension ModelFamily {
  /// Mixtral.
  static let mixtral = ModelFamily(
    "mixtral",
    defaults: """
      {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
       "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2,
       "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
       "rope_theta": 1000000.0}
      """,
    names: .mixtral,
    read: mixtralDescription)

  private static func mixtralDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .none)
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: Array(
        repeating: LayerDescription(attention: .grouped(attention), feedForward: .moe, slidingWindow: window),
        count: try config.layerCount()),
      moe: try config.moe(
        intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: true)))
  }
}

extension PublishedNames {
  /// Mixtral's, and of those who took them over.
  static let mixtral = standard.with(
    [
      .feedForward(.expert, .gate): "model.layers.{layer}.{block}.experts.{expert}.w1.weight",
      .feedForward(.expert, .up): "model.layers.{layer}.{block}.experts.{expert}.w3.weight",
      .feedForward(.expert, .down): "model.layers.{layer}.{block}.experts.{expert}.w2.weight",
    ], block: "block_sparse_moe")
}
