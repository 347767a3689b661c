import JSON

extension GGUFArchitecture {
  /// K-EXAONE: a list says which layers have a window.
  static let exaoneMoE = GGUFArchitecture("exaone-moe", split: "exaone-moe") { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("exaone_moe")
    try settings.requireRouter(sigmoid: true)
    try settings.experts(into: &config, count: "num_experts", width: "moe_intermediate_size")
    try settings.sharedExperts(into: &config, shared: "num_shared_experts")
    guard let window = try settings.optionalInt("attention.sliding_window", in: GGUFSettings.counts), window > 0 else {
      config["sliding_window"] = .null
      return config
    }
    config["sliding_window"] = .int(window)
    guard let types = try settings.slidingList(of: config["num_hidden_layers"]?.exactInt) else {
      throw settings.metadata.problem(.missing(key: "exaone-moe.attention.sliding_window_pattern"))
    }
    config["layer_types"] = types
    return config
  }
}
