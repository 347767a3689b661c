import JSON

extension GGUFArchitecture {
  /// Llama 2 and 3, and Mistral's dense models. Queries and keys have their rotary pairs side by side.
  static let llama = GGUFArchitecture("llama", names: .standard.with(turnsHeads: true), split: "llama-bpe") {
    (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("llama")
    settings.ignore("expert_count", "expert_used_count")
    config["attention_bias"] = .bool(settings.layersHold("attn_q.bias"))
    config["mlp_bias"] = .bool(settings.layersHold("ffn_gate.bias"))
    return config
  }

  /// Mixtral, whose files are Llama's with experts.
  static let mixtral = GGUFArchitecture("llama", names: .mixtral.with(turnsHeads: true)) {
    (settings) throws(CheckpointError) in
    var config = try settings.groupedDecoder("mixtral")
    try settings.requireRouter(sigmoid: false)
    try settings.experts(into: &config, count: "num_local_experts", width: "intermediate_size")
    if let window = try settings.optionalInt("attention.sliding_window", in: GGUFSettings.sizes) {
      config["sliding_window"] = .int(window)
    }
    return config
  }
}

extension GGUFSettings {
  /// A decoder with grouped attention, which turns all of a head's dimensions.
  func groupedDecoder(_ family: String) throws(CheckpointError) -> JSONObject {
    var config = try decoder(family)
    try headDims(of: &config)
    let width = try headWidth(of: config)
    if let rotated = try optionalInt("rope.dimension_count", in: Self.sizes), rotated != width {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).rope.dimension_count", value: "\(rotated)",
          remedy: "models of this architecture turn all \(width) dimensions of a head"))
    }
    return config
  }
}
