import Checkpoints

extension ModelFamily {
  /// ERNIE 4.5 with experts: a softmax router with a bias for the choice.
  static let ernie45MoE = ModelFamily(
    "ernie4_5_moe",
    defaults: """
      {"vocab_size": 103424, "hidden_size": 2560, "intermediate_size": 12288, "moe_intermediate_size": 1536,
       "num_hidden_layers": 28, "num_attention_heads": 20, "num_key_value_heads": 4, "moe_num_experts": 64, "moe_k": 6,
       "moe_num_shared_experts": 2, "moe_layer_start_index": 1, "moe_layer_end_index": -1, "moe_layer_interval": 1,
       "moe_norm_min": 1e-12, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
       "tie_word_embeddings": true, "use_bias": false, "rope_theta": 500000.0}
      """,
    nullable: ["use_bias"],
    names: .ernie("model.layers.{layer}.mlp.moe_statics.e_score_correction_bias")
      .or(.ernie("model.layers.{layer}.mlp.gate.moe_statics.e_score_correction_bias")),
    read: ernie45MoEDescription)

  private static func ernie45MoEDescription(_ config: ConfigReader) throws -> DecoderDescription {
    // It would give the head one too.
    try config.require(["use_bias"], is: false)
    let attention = try config.groupedAttention(norm: .none)
    var router = RouterDescription.softmax(normalizes: true)
    router.hasSelectionBias = true
    router.normFloor = Float(try config.double("moe_norm_min", in: 0...1))
    let moe = try config.sharedExpertMoE(router: router, sharedKeys: "moe_num_shared_experts")
    // Settings of the class it was published with.
    try config.require("moe_gate_act", oneOf: ["softmax"])
    try config.require(["moe_use_aux_free"], is: true)
    for key in [
      "moe_capacity", "moe_gate", "compression_ratio", "moe_aux_loss_lambda", "moe_z_loss_lambda", "fuse_rope",
    ] {
      config.ignore(key)
    }
    return try config.decoder(
      rotary: try config.rotary(dims: attention.headDims, interleaved: true).rotary,
      layers: try layers(config, .grouped(attention)), moe: moe)
  }

  /// Every `moe_layer_interval`-th layer has experts, from `moe_layer_start_index` to `moe_layer_end_index`; −1: to the
  /// last.
  private static func layers(_ config: ConfigReader, _ attention: AttentionDescription) throws -> [LayerDescription] {
    let count = try config.layerCount()
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    let first = try config.int("moe_layer_start_index", in: 0...4096)
    let end = try config.int("moe_layer_end_index", in: -1...4096)
    let interval = try config.int("moe_layer_interval", in: 1...4096)
    let last = end == -1 ? count - 1 : end
    return (0..<count).map { layer in
      let isMoE = (layer + 1) % interval == 0 && layer >= first && layer <= last
      return LayerDescription(
        attention: attention, feedForward: isMoE ? .moe : .dense(intermediateSize: intermediate))
    }
  }
}

extension PublishedNames {
  fileprivate static func ernie(_ bias: NameTemplate) -> PublishedNames {
    standard.with([.selectionBias: bias]).withSelectionBiasAsRow()
  }
}
