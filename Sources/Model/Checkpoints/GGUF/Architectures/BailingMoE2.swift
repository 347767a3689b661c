import JSON

extension GGUFArchitecture {
  /// Ling and Ring 2.0, and Sarvam-30B, which is computed alike: projections in one tensor, heads rotated in part.
  static let bailingMoE2 = GGUFArchitecture("bailingmoe2", names: .bailing, split: "bailingmoe2") {
    (settings) throws(CheckpointError) in
    var config = try settings.decoder("bailing_moe_v2")
    try settings.headDims(of: &config)
    let width = try settings.joinedHeadWidth(of: config)
    config["head_dim"] = .int(width)
    let rotated = try settings.optionalInt("rope.dimension_count", in: 1...width) ?? width
    (config["rotary_dim"], config["partial_rotary_factor"]) = (.int(rotated), .double(Double(rotated) / Double(width)))
    config["use_qkv_bias"] = .bool(settings.layersHold("attn_qkv.bias"))
    config["use_bias"] = .bool(settings.layersHold("attn_output.bias"))
    config["use_qk_norm"] = .bool(settings.layersHold("attn_q_norm.weight"))
    try settings.requireRouter(sigmoid: true)
    try settings.requireNormalizedWeights()
    try settings.experts(into: &config, count: "num_experts", width: "moe_intermediate_size")
    try settings.sharedExperts(into: &config, shared: "num_shared_experts")
    return config
  }
}

extension GGUFNames {
  fileprivate static let bailing = standard.with(
    [
      "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
      "attn_q_norm": "attention.query_layernorm", "attn_k_norm": "attention.key_layernorm",
      "exp_probs_b": "{block}.gate.expert_bias", "layer_output_norm": "final_layernorm",
    ], outside: ["token_embd.weight": "model.word_embeddings.weight"])
}

extension GGUFSettings {
  /// Dimensions of a head: as told, or by the rows of the joined projections.
  fileprivate func joinedHeadWidth(of config: JSONObject) throws(CheckpointError) -> Int {
    if let told = config["head_dim"]?.exactInt { return told }
    let heads = try int("attention.head_count", in: Self.sizes)
    let pairs = try optionalInt("attention.head_count_kv", in: Self.sizes) ?? heads
    return try perHead(try rows("attn_qkv.weight"), heads: heads + 2 * pairs, of: "attn_qkv.weight")
  }
}
