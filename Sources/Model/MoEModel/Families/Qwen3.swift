import Checkpoints

extension ModelFamily {
  /// Qwen3: dense.
  static let qwen3 = ModelFamily(
    "qwen3",
    defaults: """
      {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
       "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
       "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
       "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28}
      """,
    nullable: ["num_key_value_heads"],
    read: qwen3Description)

  private static func qwen3Description(_ config: ConfigReader) throws -> DecoderDescription {
    try config.denseDecoder(
      attention: try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias")), slides: true)
  }
}
