import JSON

extension GGUFArchitecture {
  /// MiniMax-M2 to M2.7.
  static let miniMaxM2 = GGUFArchitecture(
    "minimax-m2", names: .mixtral.with(["exp_probs_b": "{block}.e_score_correction_bias"]), split: "minimax-m2"
  ) { (settings) throws(CheckpointError) in
    var config = try settings.decoder("minimax_m2")
    try settings.headDims(of: &config)
    let width = try settings.headWidth(of: config)
    config["head_dim"] = .int(width)
    config["rotary_dim"] = .int(try settings.optionalInt("rope.dimension_count", in: 1...width) ?? width)
    try settings.requireRouter(sigmoid: true)
    try settings.experts(into: &config, count: "num_local_experts", width: "intermediate_size")
    try settings.requireNoScale()
    try settings.requireNormalizedWeights()
    return config
  }
}
