import Checkpoints

extension ModelFamily {
  /// Sarvam-105B: DeepSeek-V3 with one projection to queries, and settings by names of their own.
  static let sarvamMLA = ModelFamily(
    "sarvam_mla",
    defaults: """
      {"vocab_size": 262144, "hidden_size": 4096, "intermediate_size": 16384, "moe_intermediate_size": 2048,
       "num_hidden_layers": 32, "num_attention_heads": 64, "n_shared_experts": 1, "n_routed_experts": 128,
       "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "v_head_dim": 128,
       "qk_nope_head_dim": 128, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
       "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "rope_interleave": true, "attention_bias": false}
      """,
    nullable: ["norm_topk_prob", "rope_interleave"],
    read: sarvamMLADescription)

  private static func sarvamMLADescription(_ config: ConfigReader) throws -> DecoderDescription {
    let (attention, rotary, _) = try config.latentAttention(
      interleaved: try config.optionalBool("rope_interleave") ?? false)
    // Settings of the class it was published with: these follow from others.
    for key in ["q_head_dim", "head_dim"] { config.ignore(key) }
    try config.require("score_function", oneOf: ["sigmoid"])
    try config.require(["moe_router_enable_expert_bias", "use_rmsnorm"], is: true)
    for key in ["router_dtype", "moe_shared_expert_intermediate_size"] { config.ignore(key) }
    return try config.decoder(
      rotary: rotary, layers: try config.layersAfterDenseOnes(.latent(attention)),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.optionalBool("norm_topk_prob") ?? false),
        sharedKeys: ["n_shared_experts", "num_shared_experts"]))
  }
}
