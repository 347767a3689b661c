import Checkpoints
import JSON

extension ModelFamily {
  /// K-EXAONE: layers with a window are rotated, those without tell positions apart by nothing but what they may see.
  static let exaoneMoE = ModelFamily(
    "exaone_moe",
    defaults: """
      {"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 16384, "moe_intermediate_size": 1024,
       "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "num_shared_experts": 1,
       "num_experts": 64, "routed_scaling_factor": 2.5, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "first_k_dense_replace": 1, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 2048,
       "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "sliding_window": 4096, "sliding_window_pattern": 4}
      """,
    names: .standard.with([.selectionBias: "model.layers.{layer}.{block}.e_score_correction_bias"]).or(.standard),
    read: exaoneMoEDescription)

  private static func exaoneMoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .perHead)
    let count = try config.layerCount()
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    let types = try slidingLayers(config, count: count, window: window)
    var layers = try config.layersByType(
      Array(repeating: .grouped(attention), count: count),
      denseCount: try config.int("first_k_dense_replace", in: 0...ConfigurationBounds.layers.upperBound))
    for layer in layers.indices {
      layers[layer].slidingWindow = types[layer] ? window : nil
      layers[layer].rotates = types[layer] || window == nil
    }
    // Settings of the class it was published with.
    try config.requireDenseCount("first_last_k_dense_replace", of: layers)
    if let marks = config.object["is_moe_layer"]?.array?.compactMap(\.bool), marks != layers.map(\.isMoE) {
      throw ModelError.inconsistent("is_moe_layer is not what mlp_layer_types, or its default, says")
    }
    config.ignore("is_moe_layer")
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary, layers: layers,
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.bool("norm_topk_prob")),
        sharedKeys: "num_shared_experts"))
  }

  /// By `layer_types`; without it all but every so many-th, of which `sliding_window_pattern` is the number.
  private static func slidingLayers(_ config: ConfigReader, count: Int, window: Int?) throws -> [Bool] {
    if let types = try config.layerTypes(window: window) {
      config.ignore("sliding_window_pattern")
      return types
    }
    guard window != nil else { return Array(repeating: false, count: count) }
    let pattern = try config.int("sliding_window_pattern", in: 1...4096)
    return (1...count).map { $0 % pattern != 0 }
  }
}
