import JSON

extension GGUFArchitecture {
  /// dots.llm1: every layer sees everything, as in the published models.
  static let dots1 = GGUFArchitecture("dots1", split: "qwen2") { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("dots1")
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    config["sliding_window"] = .null
    try settings.requireRouter(sigmoid: true)
    try settings.experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    try settings.sharedExperts(into: &config)
    return config
  }
}
