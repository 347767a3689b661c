import JSON

extension GGUFArchitecture {
  /// Mistral Small 4: DeepSeek-V2's settings. How queries grow with their position is told by few files; without it
  /// they do as in the published model, from its original context on.
  static let mistral4 = GGUFArchitecture("mistral4", split: "tekken") { (settings) throws(CheckpointError) in
    var config = try settings.latentDecoder("mistral4")
    try settings.requireRouter(sigmoid: false)
    try settings.experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    try settings.sharedExperts(into: &config)
    guard var rotary = config["rope_scaling"]?.object else {
      throw settings.metadata.problem(.missing(key: "mistral4.rope.scaling.type"))
    }
    rotary["rope_theta"] = config["rope_theta"]
    rotary["llama_4_scaling_beta"] = .number(
      try settings.optionalNumber("attention.temperature_scale") ?? JSONNumber(text: "0.1"))
    config["rope_parameters"] = .object(rotary)
    (config["rope_scaling"], config["rope_theta"]) = (nil, nil)
    config["rope_interleave"] = true
    return config
  }
}
