import Checkpoints

extension ModelFamily {
  /// The text model of Qwen3.5 and Qwen3.6 without experts.
  static let qwen35 = ModelFamily(
    "qwen3_5_text",
    defaults: """
      {"vocab_size": 248320, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 32,
       "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 256, "linear_conv_kernel_dim": 4,
       "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
       "linear_num_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "attention_bias": false}
      """,
    names: .standard.withGatedDelta().withHybridModule(),
    read: qwen35Description)

  private static func qwen35Description(_ config: ConfigReader) throws -> DecoderDescription {
    config.ignoreHybridSettings()
    let attention = try config.gatedAttention()
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    var description = try config.decoder(
      rotary: try config.hybridRotary(attention),
      layers: try config.hybridLayers(
        attention, try config.gatedDelta(.separate), isMoE: { _ in false },
        intermediate: intermediate),
      moe: nil)
    try config.addHybridModule(attention, .dense(intermediateSize: intermediate), to: &description)
    return description
  }
}

extension CompositeModel {
  /// Qwen3.5 and Qwen3.6 without experts.
  static let qwen35 = CompositeModel(
    "qwen3_5", family: "qwen3_5_text", prefixes: [.modelLanguageModel], otherParts: ["model.visual.", "visual."],
    inherits: ["quantization_config", "tie_word_embeddings"])
}
