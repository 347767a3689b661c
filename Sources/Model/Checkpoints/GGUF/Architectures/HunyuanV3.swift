import JSON

extension GGUFArchitecture {
  /// Hunyuan 3, whose dense layers only the tensors tell.
  static let hunyuanV3 = GGUFArchitecture(
    "hy_v3", names: .standard.with(["exp_probs_b": "{block}.e_score_correction_bias"]), split: "hunyuan-dense"
  ) { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("hy_v3")
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    config["mlp_bias"] = .bool(settings.layersHold("ffn_gate.bias") || settings.layersHold("ffn_gate_shexp.bias"))
    try settings.requireRouter(sigmoid: true)
    try settings.requireNormalizedWeights()
    try settings.experts(into: &config, count: "num_experts", width: "moe_intermediate_size")
    config["router_scaling_factor"] = .number(
      try settings.optionalNumber("expert_weights_scale") ?? JSONNumber(text: "1.0"))
    let layers = min(config["num_hidden_layers"]?.exactInt ?? 0, 4096)
    config["mlp_layer_types"] = .array(
      (0..<layers).map { settings.holds("blk.\($0).ffn_gate_inp.weight") ? "sparse" : "dense" })
    config["num_shared_experts"] = .int(try settings.sharedExpertsByWidth())
    return config
  }
}

extension GGUFSettings {
  /// How many experts' width the shared one has.
  fileprivate func sharedExpertsByWidth() throws(CheckpointError) -> Int {
    let one = try int("expert_feed_forward_length", in: Self.sizes)
    let all = try optionalInt("expert_shared_feed_forward_length", in: Self.counts) ?? one
    guard all % one == 0 else {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).expert_shared_feed_forward_length", value: "\(all)",
          remedy: "a multiple of expert_feed_forward_length, \(one), is"))
    }
    return all / one
  }
}
