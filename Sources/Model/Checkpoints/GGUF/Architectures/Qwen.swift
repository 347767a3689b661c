import JSON

extension GGUFArchitecture {
  /// Qwen1.5 to Qwen2.5: dense.
  static let qwen2 = GGUFArchitecture("qwen2", split: "qwen2") { (settings) throws(CheckpointError) in
    try settings.groupedDecoder("qwen2")
  }

  /// Qwen3: dense.
  static let qwen3 = GGUFArchitecture("qwen3", split: "qwen2") { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("qwen3")
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    return config
  }

  /// Qwen1.5 and Qwen2 with experts, whose weights are not divided by their sum, and a gated shared one.
  static let qwen2MoE = GGUFArchitecture("qwen2moe", names: .sharedExpert, split: "qwen2") {
    (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("qwen2_moe")
    config["qkv_bias"] = .bool(settings.layersHold("attn_q.bias"))
    try settings.sparseLayers(into: &config, normalizes: false)
    if let width = try settings.optionalInt("expert_shared_feed_forward_length", in: GGUFSettings.sizes) {
      config["shared_expert_intermediate_size"] = .int(width)
    }
    return config
  }

  /// Qwen3 with experts, whose weights are divided by their sum.
  static let qwen3MoE = GGUFArchitecture("qwen3moe", split: "qwen2") { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("qwen3_moe")
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    try settings.sparseLayers(into: &config, normalizes: true)
    return config
  }

  /// OLMoE.
  static let olmoe = GGUFArchitecture("olmoe", split: "olmo") { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("olmoe")
    try settings.requireRouter(sigmoid: false)
    try settings.experts(into: &config, count: "num_experts", width: "intermediate_size")
    config["norm_topk_prob"] = .bool(try settings.optionalBool("expert_weights_norm") ?? false)
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    if let clip = try settings.optionalNumber("attention.clamp_kqv") { config["clip_qkv"] = .number(clip) }
    return config
  }
}

extension GGUFNames {
  /// Those of models with a gated shared expert.
  static let sharedExpert = standard.with([
    "ffn_gate_shexp": "{block}.shared_expert.gate_proj", "ffn_up_shexp": "{block}.shared_expert.up_proj",
    "ffn_down_shexp": "{block}.shared_expert.down_proj", "ffn_gate_inp_shexp": "{block}.shared_expert_gate",
  ])
}

extension GGUFSettings {
  /// Experts in all layers but those that the tensors show to be dense.
  func sparseLayers(into config: inout JSONObject, normalizes: Bool) throws(CheckpointError) {
    try requireRouter(sigmoid: false)
    try experts(into: &config, count: "num_experts", width: "moe_intermediate_size")
    config["norm_topk_prob"] = .bool(try optionalBool("expert_weights_norm") ?? normalizes)
    let layers = try int("block_count", in: 1...1024)
    let dense = (0..<layers).filter { holds("blk.\($0).ffn_gate.weight") && !holds("blk.\($0).ffn_gate_inp.weight") }
    config["decoder_sparse_step"] = 1
    config["mlp_only_layers"] = .array(dense.map { .int($0) })
    try requireNoScale()
  }
}
