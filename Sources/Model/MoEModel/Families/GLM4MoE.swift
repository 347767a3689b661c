import Checkpoints

extension ModelFamily {
  /// GLM-4.5 to 4.7: DeepSeek-V3's router over grouped attention.
  static let glm4MoE = ModelFamily(
    "glm4_moe",
    defaults: """
      {"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 10944, "moe_intermediate_size": 1408,
       "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "n_shared_experts": 1,
       "n_routed_experts": 128, "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "first_k_dense_replace": 1, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 131072,
       "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "attention_bias": false, "use_qk_norm": false,
       "partial_rotary_factor": 0.5}
      """,
    read: glm4MoEDescription)

  private static func glm4MoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(
      norm: try config.bool("use_qk_norm") ? .perHead : .none, projectionBias: try config.bool("attention_bias"))
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, rotatesPart: true).rotary,
      layers: try config.layersAfterDenseOnes(.grouped(attention)),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob"))))
  }
}
