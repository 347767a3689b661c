import Checkpoints

extension ModelFamily {
  /// The text model of Qwen3.5 and Qwen3.6 with experts: Qwen3-Next with DeltaNet's projections apart, and all layers
  /// with experts, whose weights add up to one.
  static let qwen35MoE = ModelFamily(
    "qwen3_5_moe_text",
    defaults: """
      {"vocab_size": 248320, "hidden_size": 2048, "moe_intermediate_size": 512,
       "shared_expert_intermediate_size": 512, "num_hidden_layers": 40, "num_attention_heads": 16,
       "num_key_value_heads": 2, "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
       "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32, "num_experts": 256,
       "num_experts_per_tok": 8, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "attention_bias": false}
      """,
    names: qwen2MoE.names.withGatedDelta().withHybridModule(),
    read: qwen35MoEDescription)

  private static func qwen35MoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    config.ignoreHybridSettings()
    // Settings of Qwen3-Next that this class no longer has.
    for key in ["intermediate_size", "norm_topk_prob", "decoder_sparse_step", "mlp_only_layers"] { config.ignore(key) }
    let attention = try config.gatedAttention()
    var description = try config.decoder(
      rotary: try config.hybridRotary(attention),
      layers: try config.hybridLayers(
        attention, try config.gatedDelta(.separate), isMoE: { _ in true }, intermediate: 0),
      moe: try config.moe(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: true),
        sharedIntermediate: try config.int("shared_expert_intermediate_size", in: ConfigurationBounds.width),
        sharedIsGated: true))
    try config.addHybridModule(attention, .moe, to: &description)
    return description
  }
}

extension CompositeModel {
  /// Qwen3.5 and Qwen3.6 with experts.
  static let qwen35MoE = CompositeModel(
    "qwen3_5_moe", family: "qwen3_5_moe_text", prefixes: [.modelLanguageModel],
    otherParts: ["model.visual.", "visual."],
    inherits: ["quantization_config", "tie_word_embeddings"])
}
