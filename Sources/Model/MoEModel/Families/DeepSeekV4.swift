import Checkpoints

extension ModelFamily {
  /// DeepSeek-V4, Flash and Pro: compressed attention, hyper-connections, and first layers whose experts follow from
  /// the token.
  static let deepSeekV4 = ModelFamily(
    "deepseek_v4",
    defaults: """
      {"vocab_size": 129280, "hidden_size": 4096, "moe_intermediate_size": 2048, "num_hidden_layers": 43,
       "num_attention_heads": 64, "num_key_value_heads": 1, "head_dim": 512, "q_lora_rank": 1024,
       "num_experts_per_tok": 6, "n_routed_experts": 256, "n_shared_experts": 1, "scoring_func": "sqrtsoftplus",
       "routed_scaling_factor": 1.5, "max_position_embeddings": 1048576, "rope_theta": 10000.0,
       "compress_rope_theta": 160000.0, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-06, "swiglu_limit": 10.0,
       "sliding_window": 128, "o_groups": 8, "o_lora_rank": 1024, "index_n_heads": 64, "index_head_dim": 128,
       "index_topk": 512, "hidden_act": "silu", "rms_norm_eps": 1e-06, "tie_word_embeddings": false}
      """,
    names: .deepSeekV4.beginning(.none).predicting(.numbered).or(.deepSeekV4Saved, .deepSeekV4Held),
    read: deepSeekV4Description)

  private static func deepSeekV4Description(_ config: ConfigReader) throws -> DecoderDescription {
    for key in ["attention_bias", "mlp_bias"] { try config.require([key], is: false) }
    // The reference class divides by the sum whatever this says.
    try config.require(["norm_topk_prob"], is: true)
    try config.require("topk_method", oneOf: ["noaux_tc"])
    try config.require("scoring_func", oneOf: ["sqrtsoftplus"])
    // How experts are stored follows from the tensors.
    config.ignore("expert_dtype")
    let rotaryDims = try config.trailingRotaryDims()
    let rotary = try config.rotaryPair(dims: rotaryDims)
    let hashed = try config.layersRoutedByToken()
    let attentions = try config.compressedAttention(rotaryDims: rotaryDims)
    let layers = zip(attentions.layers, hashed).map { attention, isHashed in
      LayerDescription(
        attention: .compressed(attention), feedForward: .moe, slidingWindow: attention.window,
        routesByToken: isHashed)
    }
    let limit = Float(try config.double("swiglu_limit", in: 1e-3...1e6))
    _ = try config.int("n_shared_experts", in: 1...1)
    var moe = try config.sharedExpertMoE(
      router: RouterDescription(
        scoring: .rootSoftplus, hasSelectionBias: true, hasLinearBias: false, groups: nil, normalizes: true,
        scale: Float(try config.double("routed_scaling_factor", in: 0...1e6))))
    moe.activation = .limitedSwiGLU(limit: limit)
    moe.sharedActivation = .limitedSwiGLU(limit: limit)
    var description = try config.decoder(rotary: rotary.main, layers: layers, moe: moe)
    description.entryRotary = rotary.entries
    description.maximumPositions = rotary.entries.scaling.context(
      of: description.maximumPositions, atMost: ConfigurationBounds.positions.upperBound)
    description.predictionLayer = LayerDescription(
      attention: .compressed(attentions.module), feedForward: .moe, slidingWindow: attentions.module.window)
    description.residual = .hyper(try config.hyperConnections())
    if let blocks = try config.blockDrafting(), attentions.module.ratio == nil {
      description.blockDrafting = blocks
      description.predictionLayerCount = try config.blockDraftingLayers()
    }
    return description
  }
}

extension PublishedNames {
  /// As DeepSeek publishes them, where `model.` is missing.
  fileprivate static let deepSeekV4 = standard.with(
    [
      .embedding: "model.embed.weight", .head: "head.weight",
      .attentionNorm: "model.layers.{layer}.attn_norm.weight",
      .feedForwardNorm: "model.layers.{layer}.ffn_norm.weight",
      .router: "model.layers.{layer}.{block}.gate.weight",
      .selectionBias: "model.layers.{layer}.{block}.gate.bias",
      .tokenExperts: "model.layers.{layer}.{block}.gate.tid2eid",
      .feedForward(.shared, .gate): "model.layers.{layer}.{block}.shared_experts.w1.weight",
      .feedForward(.shared, .up): "model.layers.{layer}.{block}.shared_experts.w3.weight",
      .feedForward(.shared, .down): "model.layers.{layer}.{block}.shared_experts.w2.weight",
      .feedForward(.expert, .gate): "model.layers.{layer}.{block}.experts.{expert}.w1.weight",
      .feedForward(.expert, .up): "model.layers.{layer}.{block}.experts.{expert}.w3.weight",
      .feedForward(.expert, .down): "model.layers.{layer}.{block}.experts.{expert}.w2.weight",
      .prediction(.embeddingProjection): "model.layers.{layer}.e_proj.weight",
      .prediction(.projection): "model.layers.{layer}.h_proj.weight",
      .prediction(.norm): "model.layers.{layer}.norm.weight",
      .prediction(.fusion): "model.layers.{layer}.main_proj.weight",
      .prediction(.fusionNorm): "model.layers.{layer}.main_norm.weight",
      .prediction(.transitionFrom): "model.layers.{layer}.markov_head.markov_w1.weight",
      .prediction(.transitionTo): "model.layers.{layer}.markov_head.markov_w2.weight",
      .prediction(.confidence): "model.layers.{layer}.confidence_head.proj.weight",
    ], block: "ffn"
  )
  .attending(
    "attn",
    [
      .queryDown: "wq_a.weight", .queryLatentNorm: "q_norm.weight", .queryUp: "wq_b.weight",
      .keyValueDown: "wkv.weight", .keyValueLatentNorm: "kv_norm.weight", .outputDown: "wo_a.weight",
      .attentionOutput: "wo_b.weight", .sinks: "attn_sink", .pool(.value): "compressor.wkv.weight",
      .pool(.gate): "compressor.wgate.weight", .pool(.gateBias): "compressor.ape",
      .pool(.norm): "compressor.norm.weight",
      .indexPool(.value): "indexer.compressor.wkv.weight", .indexPool(.gate): "indexer.compressor.wgate.weight",
      .indexPool(.gateBias): "indexer.compressor.ape", .indexPool(.norm): "indexer.compressor.norm.weight",
      .indexQuery: "indexer.wq_b.weight", .indexWeights: "indexer.weights_proj.weight",
    ]
  )
  .connecting("hc_attn_", "hc_ffn_", head: "model.hc_head_")

  /// As transformers 5 saves them.
  fileprivate static let deepSeekV4Saved =
    deepSeekV4
    .with([.embedding: "model.embed_tokens.weight"])
    .attending("attn", [.keyValueLatentNorm: "norm.weight"])
    .connecting("hc_attn_", "hc_ffn_", head: "model.hc_head.hc_")

  /// As transformers 5 calls them in memory.
  fileprivate static let deepSeekV4Held = standard.with([
    .tokenExperts: "model.layers.{layer}.{block}.gate.tid2eid"
  ])
  .attending(
    "self_attn",
    [
      .queryLatentNorm: "q_a_norm.weight", .keyValueDown: "kv_proj.weight", .keyValueLatentNorm: "kv_norm.weight",
      .outputDown: "o_a_proj.weight", .attentionOutput: "o_b_proj.weight", .pool(.value): "compressor.kv_proj.weight",
      .pool(.gate): "compressor.gate_proj.weight", .pool(.gateBias): "compressor.position_bias",
      .pool(.norm): "compressor.kv_norm.weight", .indexPool(.value): "compressor.indexer.kv_proj.weight",
      .indexPool(.gate): "compressor.indexer.gate_proj.weight",
      .indexPool(.gateBias): "compressor.indexer.position_bias", .indexPool(.norm): "compressor.indexer.kv_norm.weight",
      .indexQuery: "compressor.indexer.q_b_proj.weight",
      .indexWeights: "compressor.indexer.scorer.weights_proj.weight",
    ]
  )
  .connecting("attn_hc.", "ffn_hc.", head: "model.hc_head.hc_")

  /// These names, with those of parameters of attention in a layer's `block`, of which `ends` are the ends.
  private func attending(_ block: String, _ ends: [ParameterRole: String]) -> PublishedNames {
    with(ends.mapValues { NameTemplate(stringLiteral: "model.layers.{layer}.\(block).\($0)") })
  }

  /// These names, with those of hyper-connections, which begin so.
  private func connecting(_ attention: String, _ feedForward: String, head: String) -> PublishedNames {
    let parts: [(ParameterRole.HyperPart, String)] = [(.function, "fn"), (.base, "base"), (.scale, "scale")]
    let places: [(ParameterRole.HyperPlace, String)] = [
      (.attention, "model.layers.{layer}.\(attention)"), (.feedForward, "model.layers.{layer}.\(feedForward)"),
      (.head, head), (.prediction, "model.layers.{layer}.hc_head_"),
    ]
    var names: [ParameterRole: NameTemplate] = [:]
    for (place, start) in places {
      for (part, end) in parts { names[.hyper(part, of: place)] = NameTemplate(stringLiteral: start + end) }
    }
    return with(names)
  }
}
