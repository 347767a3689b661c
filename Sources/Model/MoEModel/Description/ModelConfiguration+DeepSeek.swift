import Checkpoints

extension ModelConfiguration {
  /// DeepSeek-V3 and R1 (`version` 3), DeepSeek-V2 (`version` 2).
  static func deepSeek(_ config: ConfigReader, version: Int) throws -> DecoderDescription {
    let nope = try config.int("qk_nope_head_dim", in: ConfigurationBounds.headDims)
    let rotaryDims = try config.int("qk_rope_head_dim", in: ConfigurationBounds.headDims)
    let interleaved = version == 2 ? true : try config.optionalBool("rope_interleave") ?? false
    let (rotary, scaling) = try config.rotary(dims: rotaryDims, dimsKey: "qk_rope_head_dim", interleaved: interleaved)
    var softmaxScale = 1 / Double(nope + rotaryDims).squareRoot()
    if let factor = rotary.scaling.factor, let all = try scaling?.optionalDouble("mscale_all_dim", in: 0...1e3),
      all != 0
    {
      let magnitude = RotaryDescription.yarnMagnitude(factor: factor, mscale: all)
      softmaxScale *= magnitude * magnitude
    }
    let attention = LatentAttention(
      headCount: try config.int("num_attention_heads", in: ConfigurationBounds.heads),
      queryRank: try config.optionalInt("q_lora_rank", in: ConfigurationBounds.width),
      latentRank: try config.int("kv_lora_rank", in: ConfigurationBounds.width),
      nopeDims: nope, rotaryDims: rotaryDims,
      valueDims: try config.int("v_head_dim", in: ConfigurationBounds.headDims),
      softmaxScale: Float(softmaxScale), hasBias: try config.bool("attention_bias"))
    let count = try config.layerCount()
    let firstMixture = try config.firstMixtureLayer(of: count)
    let isMixture = try config.mixturePattern(of: count)
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    let layers = (0..<count).map { layer in
      LayerDescription(
        feedForward: layer >= firstMixture && isMixture[layer] ? .mixture : .dense(intermediateSize: intermediate),
        slidingWindow: nil)
    }
    return try config.decoder(
      attention: .latent(attention), rotary: rotary, layers: layers,
      mixture: try config.sharedExpertMixture(router: deepSeekRouter(config, version: version)),
      denseHasBias: version == 2 ? try config.bool("mlp_bias") : false)
  }

  private static func deepSeekRouter(_ config: ConfigReader, version: Int) throws -> RouterDescription {
    let scale = Float(try config.double("routed_scaling_factor", in: 0...1e6))
    if version == 3 {
      try config.require("scoring_func", oneOf: ["sigmoid"])
      try config.require("topk_method", oneOf: ["noaux_tc"])
      return RouterDescription(
        scoring: .sigmoid, hasSelectionBias: true, hasLinearBias: false,
        groups: try config.expertGroups(score: .topTwoSum),
        normalizes: try config.optionalBool("norm_topk_prob") ?? false, scale: scale)
    }
    try config.require("scoring_func", oneOf: ["softmax"])
    let method = try config.string("topk_method")
    try config.require("topk_method", oneOf: ["greedy", "group_limited_greedy"])
    // The reference implementation ignores V2's norm_topk_prob; the released V2 models all set it to false.
    return RouterDescription(
      scoring: .softmax, hasSelectionBias: false, hasLinearBias: false,
      groups: method == "greedy" ? nil : try config.expertGroups(score: .maximum),
      normalizes: false, scale: scale)
  }

  /// GLM-4.5 and 4.6: DeepSeek-V3's router over grouped attention.
  static func glm4MoE(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(
      norm: try config.bool("use_qk_norm") ? .perHead : .none, projectionBias: try config.bool("attention_bias"))
    let count = try config.layerCount()
    let firstMixture = try config.firstMixtureLayer(of: count)
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    let router = RouterDescription(
      scoring: .sigmoid, hasSelectionBias: true, hasLinearBias: false,
      groups: try config.expertGroups(score: .topTwoSum), normalizes: try config.bool("norm_topk_prob"),
      scale: Float(try config.double("routed_scaling_factor", in: 0...1e6)))
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims, rotatesPart: true).rotary,
      layers: (0..<count).map {
        LayerDescription(feedForward: $0 >= firstMixture ? .mixture : .dense(intermediateSize: intermediate))
      },
      mixture: try config.sharedExpertMixture(router: router))
  }
}

extension ConfigReader {
  /// The mixture of DeepSeek and GLM-4: shared experts side by side make one wider expert.
  fileprivate func sharedExpertMixture(router: RouterDescription) throws -> MixtureDescription {
    let intermediate = try int("moe_intermediate_size", in: ConfigurationBounds.width)
    let shared = try int("n_shared_experts", in: 0...64)
    return try mixture(
      intermediate: intermediate, router: router, sharedIntermediate: shared == 0 ? nil : shared * intermediate,
      sharedIsGated: false)
  }

  /// `first_k_dense_replace`: how many layers are dense before the first one with experts.
  ///
  /// A model cut down to fewer layers than its family's default is dense throughout.
  fileprivate func firstMixtureLayer(of count: Int) throws -> Int {
    if has("first_k_dense_replace") { return try int("first_k_dense_replace", in: 0...count) }
    return min(try int("first_k_dense_replace", in: 0...ConfigurationBounds.layers.upperBound), count)
  }

  /// `moe_layer_freq`: every how many layers there are experts, or for each layer whether there are.
  fileprivate func mixturePattern(of count: Int) throws -> [Bool] {
    guard object["moe_layer_freq"]?.array != nil else {
      let every = try optionalInt("moe_layer_freq", in: 1...count) ?? 1
      return (0..<count).map { $0 % every == 0 }
    }
    let pattern = try ints("moe_layer_freq", in: 0...1, maxCount: 4096)
    guard pattern.count == count else {
      throw ModelError.inconsistent("moe_layer_freq has \(pattern.count) entries for \(count) layers")
    }
    return pattern.map { $0 == 1 }
  }

  fileprivate func expertGroups(score: RouterDescription.GroupScore) throws -> RouterDescription.Groups? {
    let experts = try expertCount()
    let count = try optionalInt("n_group", in: 1...experts) ?? 1
    let kept = try optionalInt("topk_group", in: 1...count) ?? count
    guard experts % count == 0 else {
      throw ModelError.inconsistent("\(experts) experts do not divide into n_group = \(count) groups")
    }
    if kept == count { return nil }
    guard score == .maximum || experts / count >= 2 else {
      throw ModelError.inconsistent(
        "n_group = \(count) leaves fewer than two of \(experts) experts to a group, which the group score needs")
    }
    let topK = try topK()
    guard topK <= kept * (experts / count) else {
      throw ModelError.inconsistent(
        "num_experts_per_tok = \(topK) exceeds the \(kept * (experts / count)) experts in the topk_group = \(kept) groups kept"
      )
    }
    return RouterDescription.Groups(count: count, kept: kept, score: score)
  }

  fileprivate func require(_ key: String, oneOf known: [String]) throws {
    guard let value = try optionalString(ConfigKeys(key)) else { return }
    guard known.contains(value) else {
      throw ModelError.unsupported(key: key, value: value, remedy: "\(known.joined(separator: " or ")) is")
    }
  }
}
