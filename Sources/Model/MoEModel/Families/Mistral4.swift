import Checkpoints

extension ModelFamily {
  /// Mistral Small 4, without eyes: DeepSeek-V3's attention with queries that grow with their position, and a softmax
  /// router.
  static let mistral4 = ModelFamily(
    "mistral4",
    defaults: """
      {"vocab_size": 131072, "hidden_size": 4096, "intermediate_size": 12288, "moe_intermediate_size": 2048,
       "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 32, "n_shared_experts": 1,
       "n_routed_experts": 128, "routed_scaling_factor": 1.0, "kv_lora_rank": 256, "q_lora_rank": 1024,
       "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 64, "n_group": 1, "topk_group": 1,
       "num_experts_per_tok": 4, "first_k_dense_replace": 0, "norm_topk_prob": true, "hidden_act": "silu",
       "max_position_embeddings": 1048576, "rms_norm_eps": 1e-06, "tie_word_embeddings": false,
       "rope_interleave": true, "attention_bias": false,
       "rope_parameters": {"type": "yarn", "rope_theta": 10000.0, "factor": 128.0,
         "original_max_position_embeddings": 8192, "beta_fast": 32.0, "beta_slow": 1.0, "mscale_all_dim": 1.0,
         "mscale": 1.0, "llama_4_scaling_beta": 0.1}}
      """,
    nullable: ["norm_topk_prob", "rope_interleave"],
    read: mistral4Description)

  private static func mistral4Description(_ config: ConfigReader) throws -> DecoderDescription {
    let (attention, rotation, scaling) = try config.latentAttentionBySharesOfHeads(
      interleaved: try config.optionalBool("rope_interleave") ?? false)
    var rotary = rotation
    rotary.queryScaling = try queryScaling(config, scaling)
    // Both follow from others.
    config.ignore("head_dim")
    scaling?.ignore("max_position_embeddings")
    return try config.decoder(
      rotary: rotary, layers: try config.layersAfterDenseOnes(.latent(attention)),
      moe: try config.sharedExpertMoE(
        router: RouterDescription(
          scoring: .softmax, hasSelectionBias: false, hasLinearBias: false,
          groups: try config.expertGroups(score: .topTwoSum),
          normalizes: try config.optionalBool("norm_topk_prob") ?? false,
          scale: Float(try config.double("routed_scaling_factor", in: 0...1e6)))))
  }

  /// Positions are counted in those of pretraining, which only scaled rotary settings speak of.
  private static func queryScaling(
    _ config: ConfigReader, _ scaling: ConfigReader?
  ) throws -> RotaryDescription.QueryScaling {
    guard let scaling else {
      throw ModelError.inconsistent("rope_parameters without llama_4_scaling_beta leave out how queries grow")
    }
    return RotaryDescription.QueryScaling(
      beta: try scaling.double("llama_4_scaling_beta", in: 0...1e3),
      positions: try config.originalPositions(scaling))
  }
}

extension CompositeModel {
  /// Mistral Small 4 as published, with eyes. Its elders' text models are another family, which a text model that does
  /// not say its own is taken for.
  static let mistral3 = CompositeModel(
    "mistral3", family: "mistral", prefixes: [.languageModel, .modelLanguageModel],
    otherParts: ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."])
}
