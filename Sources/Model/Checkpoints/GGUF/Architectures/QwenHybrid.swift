import JSON

extension GGUFArchitecture {
  /// Qwen3-Next: layers of gated DeltaNet and of gated attention.
  static let qwen3Next = GGUFArchitecture(
    "qwen3next", names: .sharedExpert.hybrid(isTiled: false), split: "qwen2"
  ) { (settings) throws(CheckpointError) in
    var config = try settings.hybridDecoder("qwen3_next")
    try settings.sparseLayers(into: &config, normalizes: true)
    try settings.sharedExpertWidth(into: &config)
    return config
  }

  /// Qwen3.5 and 3.6 without experts.
  static let qwen35 = GGUFArchitecture("qwen35", names: .sharedExpert.hybrid(isTiled: true), split: "qwen35") {
    (settings) throws(CheckpointError) in
    settings.ignore("expert_feed_forward_length", "expert_shared_feed_forward_length")
    return try settings.hybridDecoder("qwen3_5_text")
  }

  /// The same with experts, in all layers.
  static let qwen35MoE = GGUFArchitecture("qwen35moe", names: .sharedExpert.hybrid(isTiled: true), split: "qwen35") {
    (settings) throws(CheckpointError) in
    var config = try settings.hybridDecoder("qwen3_5_moe_text")
    try settings.requireRouter(sigmoid: false)
    try settings.requireNormalizedWeights()
    try settings.requireNoScale()
    try settings.experts(into: &config, count: "num_experts", width: "moe_intermediate_size")
    try settings.sharedExpertWidth(into: &config)
    return config
  }
}

extension GGUFNames {
  /// These, with gated DeltaNet in some layers.
  fileprivate func hybrid(isTiled: Bool) -> GGUFNames {
    with(
      ["ssm_norm": "linear_attn.norm", "ssm_in": "linear_attn.in_proj_qkvz"], delta: DeltaTensors(isTiled: isTiled),
      predictsOutside: true)
  }
}

extension GGUFSettings {
  /// A decoder whose layers are of gated DeltaNet or of gated attention.
  fileprivate func hybridDecoder(_ family: String) throws(CheckpointError) -> JSONObject {
    var config = try decoder(family)
    config["mtp_num_hidden_layers"] = config["num_nextn_predict_layers"] ?? 0
    config["num_nextn_predict_layers"] = nil
    try headDims(of: &config)
    guard config["head_dim"] != nil else {
      throw metadata.problem(.missing(key: "\(architecture).attention.key_length"))
    }
    try rotatedShare(of: &config)
    // Positions of images, of which text has none.
    ignore("rope.dimension_sections")
    config["rms_norm_add_one"] = false
    config["linear_conv_kernel_dim"] = .int(try int("ssm.conv_kernel", in: Self.sizes))
    config["linear_key_head_dim"] = .int(try int("ssm.state_size", in: Self.sizes))
    let keyHeads = try int("ssm.group_count", in: Self.sizes)
    config["linear_num_key_heads"] = .int(keyHeads)
    let heads = try int("ssm.time_step_rank", in: Self.sizes)
    guard heads % keyHeads == 0 else {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).ssm.group_count", value: "\(keyHeads)",
          remedy: "a number that divides ssm.time_step_rank, \(heads), is"))
    }
    config["linear_num_value_heads"] = .int(heads)
    let width = try int("ssm.inner_size", in: Self.sizes)
    guard width % heads == 0 else {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).ssm.inner_size", value: "\(width)",
          remedy: "a multiple of ssm.time_step_rank, \(heads), is"))
    }
    config["linear_value_head_dim"] = .int(width / heads)
    try layerTypes(into: &config)
    return config
  }

  /// Which layers have which kind: told for each, or how many there are to one of attention.
  private func layerTypes(into config: inout JSONObject) throws(CheckpointError) {
    let interval = try optionalInt("full_attention_interval", in: 1...4096)
    config["full_attention_interval"] = .int(interval ?? 4)
    guard let recurrent = try scalars("attention.recurrent_layers") else { return }
    let layers = config["num_hidden_layers"]?.exactInt ?? 0
    guard recurrent.count >= layers else {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).attention.recurrent_layers", value: "\(recurrent.count) values",
          remedy: "one for each of \(layers) layers is"))
    }
    var types: [JSONValue] = []
    for value in recurrent.prefix(layers) {
      switch value {
      case .bool(let isRecurrent): types.append(isRecurrent ? "linear_attention" : "full_attention")
      case .integer(let number) where number == 0 || number == 1:
        types.append(number == 1 ? "linear_attention" : "full_attention")
      default: throw metadata.wrongType("\(architecture).attention.recurrent_layers", value, "a list of truth values")
      }
    }
    config["layer_types"] = .array(types)
  }

  fileprivate func sharedExpertWidth(into config: inout JSONObject) throws(CheckpointError) {
    ignore("expert_shared_count")
    if let width = try optionalInt("expert_shared_feed_forward_length", in: Self.sizes) {
      config["shared_expert_intermediate_size"] = .int(width)
    } else if let tensor = tensor("blk.0.ffn_gate_shexp.weight") {
      config["shared_expert_intermediate_size"] = .int(tensor.shape[0])
    }
  }
}
