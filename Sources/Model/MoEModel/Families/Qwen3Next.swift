import Checkpoints

extension ModelFamily {
  /// Qwen3-Next and Qwen3-Coder-Next: three layers of gated DeltaNet to one of gated attention, and a gated shared
  /// expert. The projections of DeltaNet are stored together, grouped by key head.
  static let qwen3Next = ModelFamily(
    "qwen3_next",
    defaults: """
      {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "moe_intermediate_size": 512,
       "shared_expert_intermediate_size": 512, "num_hidden_layers": 48, "num_attention_heads": 16,
       "num_key_value_heads": 2, "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
       "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32, "num_experts": 512,
       "num_experts_per_tok": 10, "decoder_sparse_step": 1, "norm_topk_prob": true, "hidden_act": "silu",
       "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false}
      """,
    names: qwen2MoE.names
      .withGatedDelta([.delta(.input): "in_proj_qkvz.weight", .delta(.beta): "in_proj_ba.weight"])
      .withHybridModule(),
    read: qwen3NextDescription)

  private static func qwen3NextDescription(_ config: ConfigReader) throws -> DecoderDescription {
    config.ignoreHybridSettings()
    let attention = try config.gatedAttention()
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    let step = try config.int("decoder_sparse_step", in: 1...4096)
    let denseOnly = Set(try config.optionalInts("mlp_only_layers", in: 0...(1 << 20), maxCount: 4096) ?? [])
    let isMoE = { !denseOnly.contains($0) && ($0 + 1) % step == 0 }
    var description = try config.decoder(
      rotary: try config.hybridRotary(attention),
      layers: try config.hybridLayers(
        attention, try config.gatedDelta(.fused), isMoE: isMoE, intermediate: intermediate),
      moe: try config.moe(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob")),
        sharedIntermediate: try config.int("shared_expert_intermediate_size", in: ConfigurationBounds.width),
        sharedIsGated: true))
    // Counted as the first layer where layers differ.
    try config.addHybridModule(
      attention, isMoE(0) ? .moe : .dense(intermediateSize: intermediate), to: &description)
    return description
  }
}
