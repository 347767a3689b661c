import Checkpoints

extension ModelFamily {
  /// OLMoE.
  static let olmoe = ModelFamily(
    "olmoe",
    defaults: """
      {"vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 2048, "num_hidden_layers": 16,
       "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false,
       "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
       "attention_bias": false}
      """,
    read: olmoeDescription)

  private static func olmoeDescription(_ config: ConfigReader) throws -> DecoderDescription {
    var attention = try config.groupedAttention(norm: .fullWidth, bias: try config.bool("attention_bias"))
    attention.clip = try config.optionalDouble("clip_qkv", in: 1e-6...1e9).map { Float($0) }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: Array(
        repeating: LayerDescription(attention: .grouped(attention), feedForward: .moe),
        count: try config.layerCount()),
      moe: try config.moe(
        intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob"))))
  }
}
