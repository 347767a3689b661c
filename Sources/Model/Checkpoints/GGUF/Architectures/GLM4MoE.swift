import JSON

extension GGUFArchitecture {
  /// GLM-4.5 to 4.7, their prediction module among the layers.
  static let glm4MoE = GGUFArchitecture("glm4moe", split: "glm4") { (settings) throws(CheckpointError) in
    var config = try settings.decoder("glm4_moe")
    try settings.headDims(of: &config)
    try settings.rotatedShare(of: &config)
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    config["use_qk_norm"] = .bool(settings.layersHold("attn_q_norm.weight"))
    try settings.requireRouter(sigmoid: true)
    try settings.experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    config["n_shared_experts"] = .int(try settings.optionalInt("expert_shared_count", in: GGUFSettings.counts) ?? 0)
    config["first_k_dense_replace"] = .int(
      try settings.optionalInt("leading_dense_block_count", in: GGUFSettings.counts) ?? 0)
    config["routed_scaling_factor"] = .number(
      try settings.optionalNumber("expert_weights_scale") ?? JSONNumber(text: "1.0"))
    config["norm_topk_prob"] = .bool(try settings.optionalBool("expert_weights_norm") ?? true)
    let groups = try settings.optionalInt("expert_group_count", in: GGUFSettings.counts) ?? 0
    config["n_group"] = .int(max(groups, 1))
    config["topk_group"] = .int(
      max(try settings.optionalInt("expert_group_used_count", in: GGUFSettings.counts) ?? 0, 1))
    return config
  }
}

extension GGUFSettings {
  /// Dimensions of a head: as told, or by the norm of each, or by the query's rows.
  func headWidth(of config: JSONObject) throws(CheckpointError) -> Int {
    if let told = config["head_dim"]?.exactInt { return told }
    let heads = try int("attention.head_count", in: Self.sizes)
    return try perHead(try rows("attn_q.weight"), heads: heads, of: "attn_q.weight")
  }

  /// `partial_rotary_factor`: the share of a head's dimensions that turns.
  fileprivate func rotatedShare(of config: inout JSONObject) throws(CheckpointError) {
    let width = try headWidth(of: config)
    config["head_dim"] = .int(width)
    let rotated = try optionalInt("rope.dimension_count", in: 1...width) ?? width
    config["partial_rotary_factor"] = .double(Double(rotated) / Double(width))
  }
}
