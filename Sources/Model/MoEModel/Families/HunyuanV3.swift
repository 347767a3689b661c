import Checkpoints

extension ModelFamily {
  /// Hunyuan 3: Qwen3's attention, and MiniMax-M2's router beside a shared expert.
  static let hunyuanV3 = ModelFamily(
    "hy_v3",
    defaults: """
      {"vocab_size": 120832, "hidden_size": 4096, "intermediate_size": 13312, "moe_intermediate_size": 1536,
       "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
       "num_experts": 192, "num_experts_per_tok": 8, "num_shared_experts": 1, "router_scaling_factor": 2.826,
       "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
       "attention_bias": false, "mlp_bias": false, "rope_theta": 11158840.0}
      """,
    names: .hunyuanV3.or(
      .hunyuanV3.with([
        .router: "model.layers.{layer}.mlp.gate.weight",
        .selectionBias: "model.layers.{layer}.mlp.e_score_correction_bias",
        .feedForward(.shared, .gate): "model.layers.{layer}.mlp.shared_experts.gate_proj.weight",
        .feedForward(.shared, .up): "model.layers.{layer}.mlp.shared_experts.up_proj.weight",
        .feedForward(.shared, .down): "model.layers.{layer}.mlp.shared_experts.down_proj.weight",
      ])),
    read: hunyuanV3Description)

  private static func hunyuanV3Description(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias"))
    let layers = try config.layersByType(
      Array(repeating: .grouped(attention), count: try config.layerCount()), denseCount: 1)
    try config.requireDenseCount("first_k_dense_replace", of: layers)
    let hasBias = try config.bool("mlp_bias")
    var moe = try config.sharedExpertMoE(
      router: RouterDescription(
        scoring: .sigmoid, hasSelectionBias: true, hasLinearBias: false, groups: nil, normalizes: true,
        scale: Float(try config.double("router_scaling_factor", in: 0...1e6))),
      sharedKeys: "num_shared_experts")
    moe.sharedHasBias = hasBias
    // Settings of the class it was published with: what the reference implementation's does anyway.
    try config.require(["qk_norm", "route_norm", "moe_router_use_sigmoid", "moe_router_enable_expert_bias"], is: true)
    if let width = try config.optionalInt("expert_hidden_dim", in: ConfigurationBounds.width),
      width != moe.expertIntermediateSize
    {
      throw ModelError.inconsistent(
        "expert_hidden_dim = \(width), but moe_intermediate_size = \(moe.expertIntermediateSize)")
    }
    for key in [
      "enable_moe_fp32_combine", "enable_attention_fp32_softmax", "enable_lm_head_fp32", "use_grouped_mm",
    ] { config.ignore(key) }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims).rotary, layers: layers, moe: moe,
      denseHasBias: hasBias)
  }
}

extension PublishedNames {
  fileprivate static let hunyuanV3 = standard.with([
    .router: "model.layers.{layer}.mlp.router.gate.weight",
    .selectionBias: "model.layers.{layer}.mlp.expert_bias",
    .feedForward(.shared, .gate): "model.layers.{layer}.mlp.shared_mlp.gate_proj.weight",
    .feedForward(.shared, .up): "model.layers.{layer}.mlp.shared_mlp.up_proj.weight",
    .feedForward(.shared, .down): "model.layers.{layer}.mlp.shared_mlp.down_proj.weight",
    .prediction(.norm): "model.layers.{layer}.final_layernorm.weight",
  ])
}
