import JSON

extension GGUFArchitecture {
  /// DeepSeek-V4, Flash and Pro. Its prediction module is a file of its own, which is not read.
  static let deepSeek4 = GGUFArchitecture("deepseek4", names: .deepSeek4, split: "deepseek-v3") {
    (settings) throws(CheckpointError) in
    var config = try settings.decoder("deepseek_v4")
    settings.ignore("attention.value_length", "embedding_length_out", "swiglu_clamp_shexp")
    config["num_nextn_predict_layers"] = nil
    config["head_dim"] = .int(try settings.int("attention.key_length", in: GGUFSettings.sizes))
    config["qk_rope_head_dim"] = .int(try settings.int("rope.dimension_count", in: GGUFSettings.sizes))
    config["q_lora_rank"] = .int(try settings.int("attention.q_lora_rank", in: GGUFSettings.sizes))
    config["sliding_window"] = .int(try settings.int("attention.sliding_window", in: GGUFSettings.sizes))
    config["compress_rope_theta"] = .number(try settings.number("attention.compress_rope_freq_base"))
    config["compress_ratios"] = .array(try settings.compressRatios())
    config["o_groups"] = .int(try settings.int("attention.output_group_count", in: GGUFSettings.sizes))
    config["o_lora_rank"] = .int(try settings.int("attention.output_lora_rank", in: GGUFSettings.sizes))
    try settings.entryIndexer(into: &config)
    config["hc_mult"] = .int(try settings.int("hyper_connection.count", in: GGUFSettings.sizes))
    config["hc_sinkhorn_iters"] = .int(
      try settings.int("hyper_connection.sinkhorn_iterations", in: GGUFSettings.counts))
    config["hc_eps"] = .number(try settings.number("hyper_connection.epsilon"))
    config["num_hash_layers"] = .int(try settings.int("hash_layer_count", in: GGUFSettings.counts))
    try settings.requireRootSoftplus()
    try settings.requireNormalizedWeights()
    try settings.experts(into: &config, count: "n_routed_experts", width: "moe_intermediate_size")
    config["n_shared_experts"] = .int(try settings.int("expert_shared_count", in: GGUFSettings.counts))
    config["routed_scaling_factor"] = .number(try settings.number("expert_weights_scale"))
    if let limit = try settings.swiGLULimit() { config["swiglu_limit"] = limit }
    return config
  }
}

extension GGUFNames {
  fileprivate static let deepSeek4 = standard.with(
    [
      "attn_norm": "attn_norm", "ffn_norm": "ffn_norm", "attn_sinks": "attn.attn_sink", "attn_q_a": "attn.wq_a",
      "attn_q_a_norm": "attn.q_norm", "attn_q_b": "attn.wq_b", "attn_kv": "attn.wkv", "attn_kv_a_norm": "attn.kv_norm",
      "attn_output_a": "attn.wo_a", "attn_output_b": "attn.wo_b", "attn_compressor_ape": "attn.compressor.ape",
      "attn_compressor_kv": "attn.compressor.wkv", "attn_compressor_gate": "attn.compressor.wgate",
      "attn_compressor_norm": "attn.compressor.norm", "indexer.attn_q_b": "attn.indexer.wq_b",
      "indexer.proj": "attn.indexer.weights_proj", "indexer_compressor_ape": "attn.indexer.compressor.ape",
      "indexer_compressor_kv": "attn.indexer.compressor.wkv",
      "indexer_compressor_gate": "attn.indexer.compressor.wgate",
      "indexer_compressor_norm": "attn.indexer.compressor.norm", "exp_probs_b": "{block}.gate.bias",
      "exp_probs_b_vl": "{block}.gate.bias_vl",
      "ffn_gate_tid2eid": "{block}.gate.tid2eid", "ffn_gate_exps": "{block}.experts.{expert}.w1",
      "ffn_up_exps": "{block}.experts.{expert}.w3", "ffn_down_exps": "{block}.experts.{expert}.w2",
      "ffn_gate_shexp": "{block}.shared_experts.w1", "ffn_up_shexp": "{block}.shared_experts.w3",
      "ffn_down_shexp": "{block}.shared_experts.w2",
    ], block: "ffn",
    bare: [
      "exp_probs_b_vl", "attn_compressor_ape", "indexer_compressor_ape", "ffn_gate_tid2eid", "hc_attn_fn",
      "hc_attn_base",
      "hc_attn_scale", "hc_ffn_fn", "hc_ffn_base", "hc_ffn_scale",
    ],
    outside: [
      "token_embd.weight": "model.embed.weight", "output.weight": "head.weight",
      "output_hc_fn.weight": "model.hc_head_fn", "output_hc_base.weight": "model.hc_head_base",
      "output_hc_scale.weight": "model.hc_head_scale",
    ])
}

extension GGUFSettings {
  /// Tokens of an entry by layer, 0 without; prediction modules may follow.
  fileprivate func compressRatios() throws(CheckpointError) -> [JSONValue] {
    let key = "attention.compress_ratios"
    guard let ratios = try scalars(key) else { throw metadata.problem(.missing(key: "\(architecture).\(key)")) }
    var values: [JSONValue] = []
    for value in ratios {
      guard case .integer(let ratio) = value else {
        throw metadata.wrongType("\(architecture).\(key)", value, "a list of integers")
      }
      values.append(.int(ratio))
    }
    return values
  }

  fileprivate func entryIndexer(into config: inout JSONObject) throws(CheckpointError) {
    config["index_n_heads"] = .int(try int("attention.indexer.head_count", in: Self.sizes))
    config["index_head_dim"] = .int(try int("attention.indexer.key_length", in: Self.sizes))
    config["index_topk"] = .int(try int("attention.indexer.top_k", in: Self.sizes))
  }

  /// Throws where the router's scores are not roots of softplus, number 4.
  fileprivate func requireRootSoftplus() throws(CheckpointError) {
    let found = try optionalInt("expert_gating_func", in: Self.counts) ?? 4
    guard found == 4 else {
      throw metadata.problem(
        .unsupported(
          key: "\(architecture).expert_gating_func", value: "\(found)",
          remedy: "models of this architecture have 4 (the root of softplus)"))
    }
  }
}
