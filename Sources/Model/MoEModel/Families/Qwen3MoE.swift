import Checkpoints

extension ModelFamily {
  /// Qwen3 with experts.
  static let qwen3MoE = ModelFamily(
    "qwen3_moe",
    defaults: """
      {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
       "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128,
       "num_experts_per_tok": 8, "decoder_sparse_step": 1, "norm_topk_prob": false, "hidden_act": "silu",
       "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
       "use_sliding_window": false, "sliding_window": 4096}
      """,
    read: qwen3MoEDescription)

  private static func qwen3MoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let window = try config.slidingWindow()
    let attention = try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias"))
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: try config.sparseStepLayers(attention) { _ in window },
      moe: try config.moe(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob"))))
  }
}
