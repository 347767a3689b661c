import Checkpoints

extension ModelFamily {
  /// DeepSeek-V3.2: DeepSeek-V3 with an indexer, which chooses the positions that a token attends.
  static let deepSeekV32 = ModelFamily(
    "deepseek_v32",
    defaults: """
      {"vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1,
       "n_routed_experts": 256, "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
       "v_head_dim": 128, "qk_nope_head_dim": 128, "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8,
       "first_k_dense_replace": 3, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 163840,
       "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false, "index_topk": 2048,
       "index_head_dim": 128, "index_n_heads": 64}
      """,
    read: deepSeekV32Description)

  /// The indexer pairs the halves of its rotary dimensions, the attention neighbours.
  private static func deepSeekV32Description(_ config: ConfigReader) throws -> DecoderDescription {
    let latent = try config.latentAttention(interleaved: true)
    return try config.decoder(
      rotary: latent.rotary,
      layers: try config.indexedLayers(
        latent.attention, interleaved: false, queryRank: 1536,
        shares: Array(repeating: false, count: try config.layerCount())),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob"))))
  }
}
