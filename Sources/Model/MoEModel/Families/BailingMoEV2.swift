import Checkpoints

extension ModelFamily {
  /// Ling and Ring 2.0: grouped attention with norms by head, rotated in part, and DeepSeek-V3's router.
  ///
  /// Defaults are those of the configuration that is published with the models; the reference implementation has no
  /// class of its own for them, but one that computes the same (`sarvam_moe`).
  static let bailingMoEV2 = ModelFamily(
    "bailing_moe_v2",
    defaults: """
      {"vocab_size": 157184, "hidden_size": 2048, "intermediate_size": 5120, "moe_intermediate_size": 512,
       "num_hidden_layers": 20, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128,
       "num_shared_experts": 1, "num_experts": 256, "routed_scaling_factor": 1.0, "n_group": 8, "topk_group": 4,
       "num_experts_per_tok": 8, "first_k_dense_replace": 1, "hidden_act": "silu", "max_position_embeddings": 32768,
       "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "use_qkv_bias": false, "use_bias": false,
       "use_qk_norm": true, "rope_theta": 600000.0}
      """,
    names: .bailing.or(.standard),
    read: bailingMoEV2Description)

  /// The same under the name that most of the models are published with, and the first Ling models too, which differ.
  static let bailingMoE = ModelFamily(
    "bailing_moe", defaults: bailingMoEV2.defaults, names: bailingMoEV2.names
  ) { config in
    let architectures = try config.optionalStrings("architectures", maxCount: 16) ?? []
    guard architectures.contains("BailingMoeV2ForCausalLM") else {
      throw ModelError.unsupported(
        key: "architectures", value: architectures.joined(separator: ", "),
        remedy: "of the models with model_type bailing_moe those of the second version are (BailingMoeV2ForCausalLM)")
    }
    return try bailingMoEV2Description(config)
  }

  private static func bailingMoEV2Description(_ config: ConfigReader) throws -> DecoderDescription {
    var attention = try config.groupedAttention(
      norm: try config.bool("use_qk_norm") ? .perHead : .none, projectionBias: try config.bool("use_qkv_bias"))
    attention.outputBias = try config.bool("use_bias")
    try config.require("score_function", oneOf: ["sigmoid"])
    // A single expert keeps its score; otherwise they are normalised, whatever the setting.
    try config.require(["norm_topk_prob", "moe_router_enable_expert_bias", "use_rmsnorm"], is: true)
    try config.require(["norm_head", "norm_softmax"], is: false)
    for key in [
      "router_dtype", "embedding_dropout", "output_dropout", "mtp_loss_scaling_factor",
      "moe_router_enable_shared_expert",
    ] { config.ignore(key) }
    let moe = try config.sharedExpertMoE(
      router: try config.sigmoidRouter(normalizes: try config.topK() > 1), sharedKeys: "num_shared_experts")
    if let width = try config.optionalInt("moe_shared_expert_intermediate_size", in: ConfigurationBounds.width),
      let shared = moe.sharedIntermediateSize, width != shared, width != moe.expertIntermediateSize
    {
      throw ModelError.inconsistent(
        "moe_shared_expert_intermediate_size = \(width), but num_shared_experts make it \(shared)")
    }
    return try config.decoder(
      rotary: try rotary(config, headDims: attention.headDims),
      layers: try config.layersAfterDenseOnes(.grouped(attention)), moe: moe)
  }

  /// `rotary_dim` says in dimensions what `partial_rotary_factor` says as a share.
  private static func rotary(_ config: ConfigReader, headDims: Int) throws -> RotaryDescription {
    let dims = try config.optionalInt("rotary_dim", in: 1...headDims)
    let rotary = try config.rotary(
      dims: headDims, rotatesPart: true, legacyShare: dims.map { Double($0) / Double(headDims) }
    ).rotary
    if let dims, rotary.dims != dims {
      throw ModelError.inconsistent("rotary_dim = \(dims), but partial_rotary_factor makes it \(rotary.dims)")
    }
    return rotary
  }
}

extension PublishedNames {
  /// Bailing's, and of those who took them over.
  static let bailing = standard.with([
    .embedding: "model.word_embeddings.weight",
    .attentionOutput: "model.layers.{layer}.attention.dense.weight",
    .queryNorm: "model.layers.{layer}.attention.query_layernorm.weight",
    .keyNorm: "model.layers.{layer}.attention.key_layernorm.weight",
    .selectionBias: "model.layers.{layer}.mlp.gate.expert_bias",
    .prediction(.norm): "model.layers.{layer}.final_layernorm.weight",
  ]).joining("model.layers.{layer}.attention.query_key_value.weight")
}
