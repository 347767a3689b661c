import JSON

extension GGUFArchitecture {
  /// GLM-4.5 to 4.7, their prediction module among the layers, and Solar Open, whose heads have no norms and turn
  /// whole.
  static let glm4MoE = GGUFArchitecture("glm4moe", split: "glm4") { (settings) throws(CheckpointError) in
    var config = try settings.decoder("glm4_moe")
    try settings.headDims(of: &config)
    try settings.rotatedShare(of: &config)
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    config["use_qk_norm"] = .bool(settings.layersHold("attn_q_norm.weight"))
    try settings.requireRouter(sigmoid: true)
    try settings.experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    try settings.sharedExperts(into: &config)
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
  func rotatedShare(of config: inout JSONObject) throws(CheckpointError) {
    let width = try headWidth(of: config)
    config["head_dim"] = .int(width)
    let rotated = try optionalInt("rope.dimension_count", in: 1...width) ?? width
    config["partial_rotary_factor"] = .double(Double(rotated) / Double(width))
  }
}
