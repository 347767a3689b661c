import Checkpoints

extension ModelFamily {
  /// Llama 2 and 3: dense.
  static let llama = ModelFamily(
    "llama",
    defaults: """
      {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
       "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false}
      """,
    read: llamaDescription)

  private static func llamaDescription(_ config: ConfigReader) throws -> DecoderDescription {
    try config.denseDecoder(
      attention: try config.groupedAttention(norm: .none, bias: try config.bool("attention_bias")), slides: false,
      hasBias: try config.bool("mlp_bias"))
  }
}
