import Checkpoints

extension ModelFamily {
  /// Sarvam-30B: GLM-4.5's layers with all dimensions rotated, in folders laid out like Bailing's.
  static let sarvamMoE = ModelFamily(
    "sarvam_moe",
    defaults: """
      {"vocab_size": 262144, "hidden_size": 4096, "intermediate_size": 8192, "moe_intermediate_size": 1024,
       "num_hidden_layers": 19, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 64,
       "n_shared_experts": 1, "n_routed_experts": 128, "routed_scaling_factor": 2.5, "n_group": 1, "topk_group": 1,
       "num_experts_per_tok": 6, "first_k_dense_replace": 1, "norm_topk_prob": true, "hidden_act": "silu",
       "max_position_embeddings": 131072, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
       "use_qk_norm": true, "partial_rotary_factor": 1.0, "rope_theta": 8000000.0}
      """,
    names: .bailing.or(.standard),
    read: sarvamMoEDescription)

  private static func sarvamMoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(
      norm: try config.bool("use_qk_norm") ? .perHead : .none,
      projectionBias: try config.bool(["attention_bias", "use_qkv_bias"]))
    // Settings of the class it was published with.
    try config.require("score_function", oneOf: ["sigmoid"])
    try config.require(["moe_router_enable_expert_bias", "moe_router_enable_shared_expert", "use_rmsnorm"], is: true)
    try config.require(["use_bias", "norm_head", "norm_softmax"], is: false)
    for key in ["router_dtype", "moe_shared_expert_intermediate_size", "embedding_dropout", "output_dropout"] {
      config.ignore(key)
    }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, rotatesPart: true).rotary,
      layers: try config.layersAfterDenseOnes(.grouped(attention)),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob")),
        sharedKeys: ["n_shared_experts", "num_shared_experts"]))
  }
}
