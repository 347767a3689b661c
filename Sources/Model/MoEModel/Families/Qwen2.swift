import Checkpoints

extension ModelFamily {
  /// Qwen1.5, Qwen2 and Qwen2.5: dense.
  static let qwen2 = ModelFamily(
    "qwen2",
    defaults: """
      {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
       "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768,
       "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 4096,
       "max_window_layers": 28}
      """,
    nullable: ["num_key_value_heads"],
    read: qwen2Description)

  private static func qwen2Description(_ config: ConfigReader) throws -> DecoderDescription {
    try config.denseDecoder(attention: try config.groupedAttention(norm: .none, projectionBias: true), slides: true)
  }
}
