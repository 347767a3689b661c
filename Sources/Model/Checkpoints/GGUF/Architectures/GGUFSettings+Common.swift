import JSON

/// Settings that several architectures spell the same way.
extension GGUFSettings {
  static let sizes = 1...(1 << 30)
  static let counts = 0...(1 << 20)

  /// What every decoder has, in the keys of `config.json`.
  func decoder(_ family: String) throws(CheckpointError) -> JSONObject {
    let layers = try int("block_count", in: Self.sizes)
    // Prediction modules are counted as layers.
    let modules = try optionalInt("nextn_predict_layers", in: 0...min(layers - 1, 64)) ?? 0
    let heads = try int("attention.head_count", in: Self.sizes)
    var config = JSONObject([
      ("model_type", .string(family)), ("hidden_act", "silu"),
      ("num_hidden_layers", .int(layers - modules)), ("hidden_size", .int(try int("embedding_length", in: Self.sizes))),
      ("num_attention_heads", .int(heads)),
      ("num_key_value_heads", .int(try optionalInt("attention.head_count_kv", in: Self.sizes) ?? heads)),
      ("max_position_embeddings", .int(try int("context_length", in: Self.sizes))),
      ("rms_norm_eps", .number(try number("attention.layer_norm_rms_epsilon"))),
      ("rope_theta", .number(try optionalNumber("rope.freq_base") ?? JSONNumber(text: "10000.0"))),
      ("vocab_size", .int(try vocabularySize())),
      ("tie_word_embeddings", .bool(!holds("output.weight"))),
    ])
    if modules > 0 { config["num_nextn_predict_layers"] = .int(modules) }
    if let width = try optionalInt("feed_forward_length", in: Self.counts), width > 0 {
      config["intermediate_size"] = .int(width)
    }
    config["rope_scaling"] = try rotaryScaling()
    ignore("attention.causal", "rope.scaling.finetuned", "use_parallel_residual", "tensor_data_layout")
    return config
  }

  /// Rows of the embedding: what the metadata say of it is sometimes the tokenizer's count.
  private func vocabularySize() throws(CheckpointError) -> Int {
    ignore("vocab_size")
    guard let embedding = tensor("token_embd.weight") else {
      throw metadata.problem(.missing(key: "token_embd.weight"))
    }
    return embedding.shape[0]
  }

  /// `head_dim`, where the metadata say it.
  func headDims(of config: inout JSONObject) throws(CheckpointError) {
    let dims = try optionalInt("attention.key_length", in: Self.sizes)
    if let value = try optionalInt("attention.value_length", in: Self.sizes), let dims, value != dims {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).attention.value_length", value: "\(value)", remedy: "only key_length, \(dims), is"))
    }
    if let dims { config["head_dim"] = .int(dims) }
    ignore("rope.dimension_count")
  }

  /// Widths and counts of experts.
  func experts(
    into config: inout JSONObject, count: String, width: String, chosen: String = "num_experts_per_tok",
    widthKey: String = "expert_feed_forward_length"
  ) throws(CheckpointError) {
    config[count] = .int(try int("expert_count", in: Self.sizes))
    config[chosen] = .int(try int("expert_used_count", in: Self.sizes))
    if let size = try optionalInt(widthKey, in: Self.sizes) { config[width] = .int(size) }
  }

  /// What families with DeepSeek-V3's router have beside `experts`: dense layers first, shared experts, groups and the
  /// scale of weights, which are divided by their sum unless the file says otherwise.
  func sharedExperts(into config: inout JSONObject, shared: String = "n_shared_experts") throws(CheckpointError) {
    config[shared] = .int(try optionalInt("expert_shared_count", in: Self.counts) ?? 0)
    ignore("expert_shared_feed_forward_length")
    config["first_k_dense_replace"] = .int(try optionalInt("leading_dense_block_count", in: Self.counts) ?? 0)
    config["routed_scaling_factor"] = .number(try optionalNumber("expert_weights_scale") ?? JSONNumber(text: "1.0"))
    config["norm_topk_prob"] = .bool(try optionalBool("expert_weights_norm") ?? true)
    config["n_group"] = .int(max(try optionalInt("expert_group_count", in: Self.counts) ?? 0, 1))
    config["topk_group"] = .int(max(try optionalInt("expert_group_used_count", in: Self.counts) ?? 0, 1))
  }

  /// The types of layers, where a list says which have a sliding window.
  func slidingList(of layers: Int?) throws(CheckpointError) -> JSONValue? {
    guard case .array = metadata["\(architecture).attention.sliding_window_pattern"] else { return nil }
    let types = (try scalars("attention.sliding_window_pattern") ?? []).map { (value) -> JSONValue in
      switch value {
      case .bool(true), .integer(1): "sliding_attention"
      default: "full_attention"
      }
    }
    // Prediction modules, which are counted as layers, have none of their own.
    return .array(Array(types.prefix(layers ?? types.count)))
  }

  /// Throws where the weights of experts are not divided by their sum.
  func requireNormalizedWeights() throws(CheckpointError) {
    guard try optionalBool("expert_weights_norm") ?? true else {
      throw metadata.problem(
        .unsupported(key: "\(architecture).expert_weights_norm", value: "false", remedy: "only true is"))
    }
  }

  /// Whether the router's scores are a sigmoid's; those of old files are not told.
  func routerIsSigmoid(otherwise fallback: Bool) throws(CheckpointError) -> Bool {
    switch try optionalInt("expert_gating_func", in: 0...3) ?? 0 {
    case 0: return fallback
    case 1: return false
    case 2: return true
    default:
      throw metadata.problem(
        .unsupported(key: "\(architecture).expert_gating_func", value: "3", remedy: "1 (softmax) and 2 (sigmoid) are"))
    }
  }

  /// Throws where the router works otherwise than the family's does.
  func requireRouter(sigmoid: Bool) throws(CheckpointError) {
    guard try routerIsSigmoid(otherwise: sigmoid) != sigmoid else { return }
    throw metadata.problem(
      .unsupported(
        key: "\(architecture).expert_gating_func", value: sigmoid ? "1" : "2",
        remedy: "models of this architecture have \(sigmoid ? "2 (sigmoid)" : "1 (softmax)")"))
  }

  /// Throws where experts' weights are scaled, which the family does not know.
  func requireNoScale() throws(CheckpointError) {
    guard let scale = try optionalNumber("expert_weights_scale"), scale.double != 0, scale.double != 1 else { return }
    throw metadata.problem(
      .unsupported(
        key: "\(architecture).expert_weights_scale", value: scale.text,
        remedy: "models of this architecture have none"))
  }

  /// `rope_scaling`; nil without.
  private func rotaryScaling() throws(CheckpointError) -> JSONValue? {
    let kind = try optionalString("rope.scaling.type") ?? "none"
    if let scaling = try frequencyFactors() { return scaling }
    // Before scaling had types.
    let older = try optionalNumber("rope.scale_linear")
    switch kind {
    case "none" where older == nil || older?.double == 0 || older?.double == 1:
      ignore("rope.scaling.factor", "rope.scaling.original_context_length")
      return nil
    case "none", "linear":
      let factor = try optionalNumber("rope.scaling.factor") ?? older
      return factor.map { ["rope_type": "linear", "factor": .number($0)] }
    case "yarn":
      var scaling = JSONObject([
        ("rope_type", "yarn"), ("factor", .number(try number("rope.scaling.factor"))),
        (
          "original_max_position_embeddings",
          .int(try int("rope.scaling.original_context_length", in: Self.sizes))
        ),
      ])
      if let fast = try optionalNumber("rope.scaling.yarn_beta_fast") { scaling["beta_fast"] = .number(fast) }
      if let slow = try optionalNumber("rope.scaling.yarn_beta_slow") { scaling["beta_slow"] = .number(slow) }
      for key in ["yarn_ext_factor", "yarn_attn_factor", "attn_factor"] {
        let value = try metadata.number("\(architecture).rope.scaling.\(key)", in: -1e9...1e9)
        if value?.double == 1 { ignore("rope.scaling.\(key)") }
      }
      return .object(scaling)
    default:
      throw metadata.problem(
        .unsupported(key: "\(architecture).rope.scaling.type", value: kind, remedy: "none, linear and yarn are"))
    }
  }

  /// What `rope_freqs.weight` says: Llama 3's scaling, which is found again from its factors.
  private func frequencyFactors() throws(CheckpointError) -> JSONValue? {
    for name in ["rope_factors_long.weight", "rope_factors_short.weight"] where holds(name) {
      throw metadata.problem(.ropeFactors(tensor: name))
    }
    return try frequencies.map { (values) throws(CheckpointError) in
      guard
        let scaling = Llama3Frequencies(factors: values, base: try optionalNumber("rope.freq_base")?.double ?? 10_000)
      else { throw metadata.problem(.ropeFactors(tensor: GGUFCheckpoint.frequencies)) }
      return scaling.json
    }
  }
}
