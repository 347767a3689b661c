import Checkpoints

extension ConfigReader {
  /// DeepSeek's latent attention and its rotary embedding.
  func latentAttention(interleaved: Bool) throws -> (attention: LatentAttention, rotary: RotaryDescription) {
    let nope = try int("qk_nope_head_dim", in: ConfigurationBounds.headDims)
    let rotaryDims = try int("qk_rope_head_dim", in: ConfigurationBounds.headDims)
    let (rotary, scaling) = try rotary(dims: rotaryDims, dimsKey: "qk_rope_head_dim", interleaved: interleaved)
    var softmaxScale = 1 / Double(nope + rotaryDims).squareRoot()
    if let factor = rotary.scaling.factor, let all = try scaling?.optionalDouble("mscale_all_dim", in: 0...1e3),
      all != 0
    {
      let magnitude = RotaryDescription.yarnMagnitude(factor: factor, mscale: all)
      softmaxScale *= magnitude * magnitude
    }
    let attention = LatentAttention(
      headCount: try int("num_attention_heads", in: ConfigurationBounds.heads),
      queryRank: try optionalInt("q_lora_rank", in: ConfigurationBounds.width),
      latentRank: try int("kv_lora_rank", in: ConfigurationBounds.width), nopeDims: nope, rotaryDims: rotaryDims,
      valueDims: try int("v_head_dim", in: ConfigurationBounds.headDims), softmaxScale: Float(softmaxScale),
      hasBias: try bool("attention_bias"))
    return (attention, rotary)
  }
}
