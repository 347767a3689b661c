import Checkpoints

extension ModelFamily {
  /// Solar Open: GLM-4.5's router over grouped attention without norms, in every layer.
  static let solarOpen = ModelFamily(
    "solar_open",
    defaults: """
      {"vocab_size": 196608, "hidden_size": 4096, "moe_intermediate_size": 1280, "num_hidden_layers": 48,
       "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "n_shared_experts": 1,
       "n_routed_experts": 128, "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
       "tie_word_embeddings": false, "attention_bias": false, "rope_theta": 1000000.0}
      """,
    read: solarOpenDescription)

  private static func solarOpenDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .none, projectionBias: try config.bool("attention_bias"))
    let rotary = try config.rotary(dims: attention.headDims, rotatesPart: true).rotary
    guard rotary.dims == attention.headDims else {
      throw ModelError.unsupported(
        key: "partial_rotary_factor", value: "\(rotary.dims) of \(attention.headDims) dimensions",
        remedy: "this family turns all of them; it must be 1")
    }
    // Settings of GLM's class, which the reference implementation's no longer has.
    try config.require(["use_qk_norm"], is: false)
    for key in ["intermediate_size", "first_k_dense_replace"] { config.ignore(key) }
    return try config.decoder(
      rotary: rotary,
      layers: Array(
        repeating: LayerDescription(attention: .grouped(attention), feedForward: .moe),
        count: try config.layerCount()),
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob"))))
  }
}
