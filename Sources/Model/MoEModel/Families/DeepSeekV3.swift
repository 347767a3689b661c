import Checkpoints

extension ModelFamily {
  /// DeepSeek-V3, V3.1 and R1.
  static let deepSeekV3 = ModelFamily(
    "deepseek_v3",
    defaults: """
      {"vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1,
       "n_routed_experts": 256, "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "q_lora_rank": 1536,
       "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 128, "n_group": 8, "topk_group": 4,
       "num_experts_per_tok": 8, "first_k_dense_replace": 3, "norm_topk_prob": true, "hidden_act": "silu",
       "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "rope_interleave": true,
       "attention_bias": false}
      """,
    nullable: ["norm_topk_prob", "rope_interleave"],
    read: deepSeekV3Description)

  private static func deepSeekV3Description(_ config: ConfigReader) throws -> DecoderDescription {
    let (attention, rotary, _) = try config.latentAttention(
      interleaved: try config.optionalBool("rope_interleave") ?? false)
    return try config.decoder(
      rotary: rotary, layers: try config.layersAfterDenseOnes(.latent(attention), thinned: true),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.optionalBool("norm_topk_prob") ?? false)))
  }
}
