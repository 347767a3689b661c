import Checkpoints
import JSON

extension ModelFamily {
  /// dots.llm1: Qwen3's attention, some layers with a window, and DeepSeek-V3's router.
  static let dots1 = ModelFamily(
    "dots1",
    defaults: """
      {"vocab_size": 152064, "hidden_size": 4608, "intermediate_size": 10944, "moe_intermediate_size": 1408,
       "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 32, "routed_scaling_factor": 1.0,
       "n_group": 1, "topk_group": 1, "first_k_dense_replace": 0, "norm_topk_prob": false, "hidden_act": "silu",
       "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
       "sliding_window": 4096, "max_window_layers": 62}
      """,
    nullable: ["num_key_value_heads", "norm_topk_prob"],
    read: dots1Description)

  private static func dots1Description(_ config: ConfigReader) throws -> DecoderDescription {
    if config.object["moe_layer_freq"]?.exactInt == 1 { config.ignore("moe_layer_freq") }
    let attention = try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias"))
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    let first = try config.int("max_window_layers", in: 0...4096)
    let types =
      try config.layerTypes(window: window)
      ?? (0..<(try config.layerCount())).map { $0 >= first && window != nil }
    var layers = try config.layersAfterDenseOnes(.grouped(attention))
    for layer in layers.indices where types[layer] { layers[layer].slidingWindow = window }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary, layers: layers,
      moe: try config.sharedExpertMoE(
        router: try config.sigmoidRouter(normalizes: try config.optionalBool("norm_topk_prob") ?? false)))
  }
}
