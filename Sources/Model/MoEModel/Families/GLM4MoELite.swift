import Checkpoints

extension ModelFamily {
  /// GLM-4.7-Flash: DeepSeek-V3's attention and router, and for each layer whether it has experts.
  static let glm4MoELite = ModelFamily(
    "glm4_moe_lite",
    defaults: """
      {"vocab_size": 154880, "hidden_size": 2048, "intermediate_size": 10240, "moe_intermediate_size": 1536,
       "num_hidden_layers": 47, "num_attention_heads": 20, "num_key_value_heads": 20, "n_shared_experts": 1,
       "n_routed_experts": 64, "routed_scaling_factor": 1.8, "kv_lora_rank": 512, "q_lora_rank": 768,
       "qk_rope_head_dim": 64, "v_head_dim": 256, "qk_nope_head_dim": 192, "n_group": 1, "topk_group": 1,
       "num_experts_per_tok": 4, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 202752,
       "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "rope_interleave": true, "attention_bias": false}
      """,
    read: glm4MoELiteDescription)

  private static func glm4MoELiteDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let (attention, rotary, _) = try config.latentAttention(interleaved: try config.bool("rope_interleave"))
    let layers = try config.layersByType(
      Array(repeating: .latent(attention), count: try config.layerCount()), denseCount: 1)
    try config.requireDenseCount("first_k_dense_replace", of: layers)
    return try config.decoder(
      rotary: rotary, layers: layers,
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob"))))
  }
}
