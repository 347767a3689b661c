import Checkpoints

extension ConfigReader {
  /// DeepSeek's latent attention, its rotary embedding, and the settings of that.
  func latentAttention(
    interleaved: Bool
  ) throws -> (attention: LatentAttention, rotary: RotaryDescription, scaling: ConfigReader?) {
    let nope = try int("qk_nope_head_dim", in: ConfigurationBounds.headDims)
    let rotaryDims = try int("qk_rope_head_dim", in: ConfigurationBounds.headDims)
    let (rotary, scaling) = try rotary(dims: rotaryDims, dimsKey: "qk_rope_head_dim", interleaved: interleaved)
    return (try latentAttention(nope: nope, rotaryDims: rotaryDims, rotary, scaling), rotary, scaling)
  }

  /// The same, of settings that say which share of a head is rotated, though that is `qk_rope_head_dim` of it anyway.
  func latentAttentionBySharesOfHeads(
    interleaved: Bool
  ) throws -> (attention: LatentAttention, rotary: RotaryDescription, scaling: ConfigReader?) {
    let nope = try int("qk_nope_head_dim", in: ConfigurationBounds.headDims)
    let rotaryDims = try int("qk_rope_head_dim", in: ConfigurationBounds.headDims)
    let dims = nope + rotaryDims
    let (rotary, scaling) = try rotary(
      dims: dims, dimsKey: "qk_nope_head_dim + qk_rope_head_dim", interleaved: interleaved, rotatesPart: true,
      // A quarter more, lest rounding take one away.
      legacyShare: (Double(rotaryDims) + 0.25) / Double(dims))
    guard rotary.dims == rotaryDims else {
      throw ModelError.inconsistent(
        """
        partial_rotary_factor leaves \(rotary.dims) rotary dimensions of \(dims), where qk_rope_head_dim = \
        \(rotaryDims)
        """
      )
    }
    return (try latentAttention(nope: nope, rotaryDims: rotaryDims, rotary, scaling), rotary, scaling)
  }

  private func latentAttention(
    nope: Int, rotaryDims: Int, _ rotary: RotaryDescription, _ scaling: ConfigReader?
  ) throws -> LatentAttention {
    var softmaxScale = 1 / Double(nope + rotaryDims).squareRoot()
    if let factor = rotary.scaling.factor, let all = try scaling?.optionalDouble("mscale_all_dim", in: 0...1e3),
      all != 0
    {
      let magnitude = RotaryDescription.yarnMagnitude(factor: factor, mscale: all)
      softmaxScale *= magnitude * magnitude
    }
    return LatentAttention(
      headCount: try int("num_attention_heads", in: ConfigurationBounds.heads),
      queryRank: try optionalInt("q_lora_rank", in: ConfigurationBounds.width),
      latentRank: try int("kv_lora_rank", in: ConfigurationBounds.width), nopeDims: nope, rotaryDims: rotaryDims,
      valueDims: try int("v_head_dim", in: ConfigurationBounds.headDims), softmaxScale: Float(softmaxScale),
      hasBias: try bool("attention_bias"))
  }
}
