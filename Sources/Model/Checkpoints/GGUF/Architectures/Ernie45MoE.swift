import JSON

extension GGUFArchitecture {
  /// ERNIE 4.5 with experts: every so many-th layer from the first to the last that has them.
  static let ernie45MoE = GGUFArchitecture("ernie4_5-moe", names: .ernie, split: "default") {
    (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("ernie4_5_moe")
    config["head_dim"] = .int(try settings.headWidth(of: config))
    try settings.requireRouter(sigmoid: false)
    try settings.requireNormalizedWeights()
    try settings.requireNoScale()
    try settings.experts(into: &config, count: "moe_num_experts", width: "moe_intermediate_size", chosen: "moe_k")
    config["moe_num_shared_experts"] = .int(
      try settings.optionalInt("expert_shared_count", in: GGUFSettings.counts) ?? 0)
    settings.ignore("expert_shared_feed_forward_length")
    config["moe_layer_start_index"] = .int(
      try settings.optionalInt("leading_dense_block_count", in: GGUFSettings.counts) ?? 0)
    config["moe_layer_interval"] = .int(try settings.optionalInt("interleave_moe_layer_step", in: 1...4096) ?? 1)
    let layers = try settings.int("block_count", in: 1...4096)
    config["moe_layer_end_index"] = .int((0..<layers).last { settings.holds("blk.\($0).ffn_gate_inp.weight") } ?? -1)
    return config
  }
}

extension GGUFNames {
  fileprivate static let ernie = standard.with(
    ["exp_probs_b": "{block}.moe_statics.e_score_correction_bias"], selectionBiasIsRow: true)
}
