import Checkpoints

extension ModelFamily {
  /// DeepSeek-V2 and its kin.
  static let deepSeekV2 = ModelFamily(
    "deepseek_v2",
    defaults: """
      {"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 11008, "moe_intermediate_size": 1407,
       "num_hidden_layers": 32, "num_attention_heads": 32, "n_shared_experts": 2, "n_routed_experts": 64,
       "routed_scaling_factor": 1.0, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
       "v_head_dim": 128, "qk_nope_head_dim": 128, "topk_method": "greedy", "first_k_dense_replace": 0,
       "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "tie_word_embeddings": false,
       "attention_bias": false, "mlp_bias": false}
      """,
    read: deepSeekV2Description)

  private static func deepSeekV2Description(_ config: ConfigReader) throws -> DecoderDescription {
    let (attention, rotary, _) = try config.latentAttention(interleaved: true)
    return try config.decoder(
      rotary: rotary, layers: try config.layersAfterDenseOnes(.latent(attention), thinned: true),
      moe: try config.sharedExpertMoE(router: router(config)), denseHasBias: try config.bool("mlp_bias"))
  }

  private static func router(_ config: ConfigReader) throws -> RouterDescription {
    let scale = Float(try config.double("routed_scaling_factor", in: 0...1e6))
    try config.require("scoring_func", oneOf: ["softmax"])
    let method = try config.string("topk_method")
    try config.require("topk_method", oneOf: ["greedy", "group_limited_greedy"])
    // The reference implementation ignores V2's norm_topk_prob; the released V2 models all set it to false.
    return RouterDescription(
      scoring: .softmax, hasSelectionBias: false, hasLinearBias: false,
      groups: method == "greedy" ? nil : try config.expertGroups(score: .maximum),
      normalizes: false, scale: scale)
  }
}
