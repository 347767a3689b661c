import Checkpoints

extension ModelFamily {
  /// Qwen1.5 and Qwen2 with experts: a gated shared expert.
  static let qwen2MoE = ModelFamily(
    "qwen2_moe",
    defaults: """
      {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "moe_intermediate_size": 1408,
       "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
       "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4, "decoder_sparse_step": 1,
       "norm_topk_prob": false, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "qkv_bias": true, "use_sliding_window": false, "sliding_window": 4096,
       "max_window_layers": 28}
      """,
    nullable: ["num_key_value_heads"],
    names: .standard.with([
      .feedForward(.shared, .gate): "model.layers.{layer}.{block}.shared_expert.gate_proj.weight",
      .feedForward(.shared, .up): "model.layers.{layer}.{block}.shared_expert.up_proj.weight",
      .feedForward(.shared, .down): "model.layers.{layer}.{block}.shared_expert.down_proj.weight",
      .sharedGate: "model.layers.{layer}.{block}.shared_expert_gate.weight",
    ]),
    read: qwen2MoEDescription)

  private static func qwen2MoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .none, projectionBias: try config.bool("qkv_bias"))
    let sliding = try config.slidingWindow()
    let maximum = try config.int("max_window_layers", in: 0...4096)
    let types =
      try config.layerTypes(window: sliding)
      ?? (0..<(try config.layerCount())).map { $0 % 2 == 0 && $0 < maximum && sliding != nil }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: try config.sparseStepLayers(attention) { types[$0] ? sliding : nil },
      moe: try config.moe(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob")),
        sharedIntermediate: try config.int("shared_expert_intermediate_size", in: ConfigurationBounds.width),
        sharedIsGated: true))
  }
}
