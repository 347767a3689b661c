import Checkpoints
import JSON

extension ModelFamily {
  /// MiniMax-M2 to M2.7: grouped attention with norms over all heads, and a sigmoid router with a bias for the choice.
  static let miniMaxM2 = ModelFamily(
    "minimax_m2",
    defaults: """
      {"vocab_size": 200064, "hidden_size": 3072, "intermediate_size": 1536, "num_hidden_layers": 62,
       "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu",
       "max_position_embeddings": 196608, "rms_norm_eps": 1e-06, "tie_word_embeddings": false,
       "num_experts_per_tok": 8, "num_local_experts": 256, "rope_theta": 5000000.0}
      """,
    names: .mixtral.with([.selectionBias: "model.layers.{layer}.{block}.e_score_correction_bias"]),
    read: miniMaxM2Description)

  private static func miniMaxM2Description(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .fullWidth)
    try config.require("scoring_func", oneOf: ["sigmoid"])
    try config.require("qk_norm_type", oneOf: ["per_layer"])
    // Settings of the class it was published with, which the reference implementation no longer has.
    for key in ["use_qk_norm", "use_routing_bias"] where try config.optionalBool(ConfigKeys(key)) == false {
      throw ModelError.unsupported(key: key, value: "false", remedy: "only true is")
    }
    for layer in try config.optionalInts("attn_type_list", in: 0...1, maxCount: 4096) ?? [] where layer == 0 {
      throw ModelError.unsupported(key: "attn_type_list", value: "0", remedy: "full attention (1) is")
    }
    for key in ["num_mtp_modules", "mtp_transformer_layers", "use_mtp", "mlp_intermediate_size", "shared_moe_mode"] {
      config.ignore(key)
    }
    for key in ["layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta"]
    where config.object[key]?.double == 1 { config.ignore(key) }
    if config.object["shared_intermediate_size"]?.exactInt == 0 { config.ignore("shared_intermediate_size") }
    return try config.decoder(
      rotary: try rotary(config, headDims: attention.headDims),
      layers: Array(
        repeating: LayerDescription(attention: .grouped(attention), feedForward: .moe),
        count: try config.layerCount()),
      moe: try config.moe(
        intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
        router: RouterDescription(
          scoring: .sigmoid, hasSelectionBias: true, hasLinearBias: false, groups: nil, normalizes: true, scale: 1)))
  }

  /// `rotary_dim` says in dimensions what others say in shares (`partial_rotary_factor`).
  private static func rotary(_ config: ConfigReader, headDims: Int) throws -> RotaryDescription {
    let dims = try config.optionalInt("rotary_dim", in: 1...headDims)
    return try config.rotary(
      dims: headDims, rotatesPart: true, legacyShare: dims.map { Double($0) / Double(headDims) }
    ).rotary
  }
}
