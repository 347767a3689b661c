import JSON

extension GGUFArchitecture {
  /// gpt-oss: rows of gate and up lie apart here, and every expert's by itself.
  static let gptOSS = GGUFArchitecture(
    "gpt-oss", names: .standard.with(["ffn_gate_inp": "{block}.router"]), split: "gpt-4o"
  ) { (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("gpt_oss")
    try settings.requireExpertBiases()
    try settings.experts(into: &config, count: "num_local_experts", width: "intermediate_size")
    settings.ignore("expert_gating_func")
    let window = try settings.int("attention.sliding_window", in: GGUFSettings.sizes)
    config["sliding_window"] = .int(window)
    if let pattern = try settings.slidingPattern() { config["layer_types"] = pattern }
    // The reference class's bounds are not rounded.
    if var scaling = config["rope_scaling"]?.object {
      scaling["truncate"] = false
      config["rope_scaling"] = .object(scaling)
    } else {
      config["rope_scaling"] = ["rope_type": "default"]
    }
    if let limit = try settings.swiGLULimit() { config["swiglu_limit"] = limit }
    return config
  }
}

extension GGUFSettings {
  fileprivate func requireExpertBiases() throws(CheckpointError) {
    guard layersHold("ffn_gate_exps.bias") || layersHold("ffn_gate_up_exps.bias") else {
      throw metadata.problem(.missing(key: "blk.0.ffn_gate_exps.bias"))
    }
  }

  /// Which layers slide, where that is told; every second one does otherwise, from the first.
  fileprivate func slidingPattern() throws(CheckpointError) -> JSONValue? {
    if let list = try slidingList(of: nil) { return list }
    guard let every = try optionalInt("attention.sliding_window_pattern", in: 0...1024), every != 2 else { return nil }
    throw metadata.problem(
      .unsupported(
        key: "\(architecture).attention.sliding_window_pattern", value: "\(every)", remedy: "2 is, or a list"))
  }

  /// Those of all layers.
  private func swiGLULimits() throws(CheckpointError) -> [JSONNumber] {
    guard case .array = metadata["\(architecture).swiglu_clamp_exp"] else {
      return try optionalNumber("swiglu_clamp_exp").map { [$0] } ?? []
    }
    var limits: [JSONNumber] = []
    for value in try scalars("swiglu_clamp_exp") ?? [] {
      guard case .float32(let limit) = value, let number = JSONNumber(limit) else {
        throw metadata.wrongType("\(architecture).swiglu_clamp_exp", value, "a list of finite fp32 numbers")
      }
      limits.append(number)
    }
    return limits
  }

  /// What enters an expert's activation at most, one for all layers.
  func swiGLULimit() throws(CheckpointError) -> JSONValue? {
    let limits = try swiGLULimits()
    guard let first = limits.first(where: { $0.double > 0 }) else { return nil }
    guard limits.allSatisfy({ $0 == first }) else {
      throw metadata.problem(.differsByLayer(key: "\(architecture).swiglu_clamp_exp"))
    }
    return .number(first)
  }
}
