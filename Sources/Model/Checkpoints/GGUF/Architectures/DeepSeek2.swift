import JSON

extension GGUFArchitecture {
  /// DeepSeek-V2, V3 and R1, Kimi K2 and GLM-4.7-Flash, which have no architectures of their own: a softmax router
  /// makes it V2, a sigmoid one V3.
  static let deepSeek2 = GGUFArchitecture("deepseek2", split: "deepseek-llm") { (settings) throws(CheckpointError) in
    // Old files do not tell the router; only a sigmoid's has a bias for the choice.
    let isSigmoid = try settings.routerIsSigmoid(otherwise: settings.hasSelectionBias)
    var config = try settings.latentDecoder(isSigmoid ? try settings.sigmoidFamily() : "deepseek_v2")
    try settings.deepSeekExperts(into: &config, isSigmoid: isSigmoid)
    return config
  }

  /// DeepSeek-V3.2: V3 with an indexer.
  static let deepSeek32 = GGUFArchitecture("deepseek32", names: .indexed, split: "deepseek-v3") {
    (settings) throws(CheckpointError) in
    var config = try settings.latentDecoder("deepseek_v32")
    try settings.deepSeekExperts(into: &config, isSigmoid: true)
    try settings.indexer(into: &config)
    return config
  }

  /// GLM-5: the same with other sizes, and layers that share what an earlier one chose.
  static let glmDSA = GGUFArchitecture("glm-dsa", names: .indexed, split: "glm4") {
    (settings) throws(CheckpointError) in
    var config = try settings.latentDecoder("glm_moe_dsa")
    try settings.deepSeekExperts(into: &config, isSigmoid: true)
    try settings.indexer(into: &config)
    return config
  }
}

extension GGUFNames {
  /// Those of models with an indexer.
  static let indexed = standard.with([
    "indexer.k_norm": "self_attn.indexer.k_norm", "indexer.proj": "self_attn.indexer.weights_proj",
    "indexer.attn_k": "self_attn.indexer.wk", "indexer.attn_q_b": "self_attn.indexer.wq_b",
  ])
}

extension GGUFSettings {
  /// Whether a layer has a bias for the choice of experts.
  fileprivate var hasSelectionBias: Bool {
    (0..<1024).contains { holds("blk.\($0).exp_probs_b.bias") || holds("blk.\($0).exp_probs_b") }
  }

  /// Which of the models with a sigmoid router it is, told by its tokenizer: all are computed alike.
  fileprivate func sigmoidFamily() throws(CheckpointError) -> String {
    switch try metadata.string("tokenizer.ggml.pre") {
    case "kimi-k2": "kimi_k2"
    case "glm4", "chatglm-bpe":
      try optionalInt("leading_dense_block_count", in: Self.counts) == 1 ? "glm4_moe_lite" : "deepseek_v3"
    default: "deepseek_v3"
    }
  }

  /// A decoder with latent attention. Sizes of a head are taken from the tensors: `key_length` means another thing in
  /// files from before the up-projection was stored for each head.
  func latentDecoder(_ family: String) throws(CheckpointError) -> JSONObject {
    var config = try decoder(family)
    let heads = try int("attention.head_count", in: Self.sizes)
    let rotary = try int("rope.dimension_count", in: Self.sizes)
    let query = try perHead(
      try rows("attn_q_b.weight", "attn_q.weight"), heads: heads,
      of: layersHold("attn_q_b.weight") ? "attn_q_b.weight" : "attn_q.weight")
    guard let output = tensor("blk.0.attn_output.weight"), output.shape.count == 2 else {
      throw metadata.problem(.missing(key: "blk.0.attn_output.weight"))
    }
    guard query > rotary else {
      throw metadata.problem(
        .outOfRange(
          key: "\(architecture).rope.dimension_count", found: "\(rotary)", lower: "1",
          upper: "\(query - 1), the queries of a head"))
    }
    config["qk_rope_head_dim"] = .int(rotary)
    config["qk_nope_head_dim"] = .int(query - rotary)
    config["v_head_dim"] = .int(try perHead(output.shape[1], heads: heads, of: "attn_output.weight"))
    config["kv_lora_rank"] = .int(try int("attention.kv_lora_rank", in: Self.sizes))
    // Null says that there is none.
    config["q_lora_rank"] =
      try optionalInt("attention.q_lora_rank", in: Self.counts).flatMap { $0 > 0 ? .int($0) : nil } ?? .null
    // All heads have the same latent, which files count as one key of its width.
    config["num_key_value_heads"] = .int(heads)
    ignore("attention.key_length", "attention.value_length", "attention.key_length_mla", "attention.value_length_mla")
    try latentScaling(of: &config)
    return config
  }

  /// `yarn_log_multiplier` is a tenth of `mscale_all_dim`, which all models of this architecture have equal to
  /// `mscale`.
  private func latentScaling(of config: inout JSONObject) throws(CheckpointError) {
    guard let multiplier = try optionalNumber("rope.scaling.yarn_log_multiplier"), multiplier.double != 0,
      var scaling = config["rope_scaling"]?.object, scaling["rope_type"]?.string == "yarn"
    else { return }
    // Kimi K2 is known by its size where files do not tell its bounds, which are not the usual ones.
    if scaling["beta_fast"] == nil, try optionalInt("expert_count", in: Self.counts) == 384 { scaling["beta_fast"] = 1 }
    // In the precision that files have.
    let scale = JSONValue.float(Float(multiplier.double / 0.1))
    (scaling["mscale"], scaling["mscale_all_dim"]) = (scale, scale)
    config["rope_scaling"] = .object(scaling)
  }

  fileprivate func deepSeekExperts(into config: inout JSONObject, isSigmoid: Bool) throws(CheckpointError) {
    let layers = try int("block_count", in: Self.sizes)
    config["first_k_dense_replace"] = .int(min(try int("leading_dense_block_count", in: Self.counts), layers))
    let count = try optionalInt("expert_count", in: Self.counts) ?? 0
    guard count > 0 else {
      config["first_k_dense_replace"] = config["num_hidden_layers"]
      ignore("expert_feed_forward_length", "expert_shared_count", "expert_weights_scale", "expert_weights_norm")
      return
    }
    try requireRouter(sigmoid: isSigmoid)
    try experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    config["n_shared_experts"] = .int(try optionalInt("expert_shared_count", in: Self.counts) ?? 0)
    config["routed_scaling_factor"] = .number(try optionalNumber("expert_weights_scale") ?? JSONNumber(text: "1.0"))
    config["norm_topk_prob"] = .bool(try optionalBool("expert_weights_norm") ?? false)
    let (groups, kept) = try expertGroups(count: count, layers: layers, isSigmoid: isSigmoid)
    (config["n_group"], config["topk_group"]) = (.int(groups), .int(kept))
    if !isSigmoid { config["topk_method"] = groups > kept ? "group_limited_greedy" : "greedy" }
  }

  /// Groups of experts; files from before they were written are of models that are known by their size.
  private func expertGroups(
    count: Int, layers: Int, isSigmoid: Bool
  ) throws(CheckpointError) -> (count: Int, kept: Int) {
    if let groups = try optionalInt("expert_group_count", in: 0...count), groups > 0 {
      return (groups, try optionalInt("expert_group_used_count", in: 1...groups) ?? groups)
    }
    ignore("expert_group_used_count")
    switch (count, layers, isSigmoid) {
    // DeepSeek-V3 and R1, with and without their prediction module.
    case (256, 61...62, true): return (8, 4)
    // DeepSeek-V2.
    case (160, 60, false): return (8, 3)
    default: return (1, 1)
    }
  }

  fileprivate func indexer(into config: inout JSONObject) throws(CheckpointError) {
    config["index_n_heads"] = .int(try int("attention.indexer.head_count", in: Self.sizes))
    config["index_head_dim"] = .int(try int("attention.indexer.key_length", in: Self.sizes))
    config["index_topk"] = .int(try int("attention.indexer.top_k", in: Self.sizes))
    if let types = try scalars("attention.indexer.types") {
      config["indexer_types"] = .array(types.map { if case .bool(true) = $0 { "full" } else { "shared" } })
    }
  }
}
