import Checkpoints

extension ModelFamily {
  /// gpt-oss.
  static let gptOSS = ModelFamily(
    "gpt_oss",
    defaults: """
      {"vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
       "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 128,
       "num_experts_per_tok": 4, "sliding_window": 128, "swiglu_alpha": 1.702, "swiglu_limit": 7.0,
       "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
       "attention_bias": true, "rope_theta": 150000.0,
       "rope_parameters": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0,
         "beta_slow": 1.0, "truncate": false, "original_max_position_embeddings": 4096}}
      """,
    names: .standard.with(
      [.router: "model.layers.{layer}.{block}.router.weight"], experts: .interleaved),
    read: gptOSSDescription)

  private static func gptOSSDescription(_ config: ConfigReader) throws -> DecoderDescription {
    var attention = try config.groupedAttention(norm: .none, bias: try config.bool("attention_bias"))
    attention.hasSinks = true
    let count = try config.layerCount()
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    let types = try config.layerTypes(window: window) ?? (0..<count).map { $0 % 2 == 0 && window != nil }
    var moe = try config.moe(
      intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
      router: RouterDescription(
        scoring: .softmaxOverChosen, hasSelectionBias: false, hasLinearBias: true, groups: nil, normalizes: false,
        scale: 1))
    moe.expertHasBias = true
    moe.activation = .clampedSwiGLU(
      alpha: Float(try config.double("swiglu_alpha", in: 1e-3...1e3)),
      limit: Float(try config.double("swiglu_limit", in: 1e-3...1e6)))
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: types.map {
        LayerDescription(attention: .grouped(attention), feedForward: .moe, slidingWindow: $0 ? window : nil)
      }, moe: moe)
  }
}
