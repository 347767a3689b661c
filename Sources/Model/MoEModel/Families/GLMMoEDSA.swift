import Checkpoints

extension ModelFamily {
  /// GLM-5 to 5.3: DeepSeek-V3.2 in another size, whose indexer pairs neighbours as its attention does, and from 5.2 on
  /// is shared by several layers.
  static let glmMoEDSA = ModelFamily(
    "glm_moe_dsa",
    defaults: """
      {"vocab_size": 154880, "hidden_size": 6144, "intermediate_size": 12288, "moe_intermediate_size": 2048,
       "num_hidden_layers": 78, "num_attention_heads": 64, "num_key_value_heads": 64, "n_shared_experts": 1,
       "n_routed_experts": 256, "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
       "v_head_dim": 256, "qk_nope_head_dim": 192, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "first_k_dense_replace": 3, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 202752,
       "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "attention_bias": false, "index_topk": 2048,
       "index_head_dim": 128, "index_n_heads": 32}
      """,
    read: glmMoEDSADescription)

  private static func glmMoEDSADescription(_ config: ConfigReader) throws -> DecoderDescription {
    let latent = try config.latentAttention(interleaved: true)
    return try config.decoder(
      rotary: latent.rotary,
      layers: try config.indexedLayers(
        latent.attention, interleaved: true, queryRank: 2048, shares: try config.sharedIndexers()),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob"))))
  }
}
