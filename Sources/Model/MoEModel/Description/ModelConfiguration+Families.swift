import Checkpoints

extension ModelConfiguration {
  static func qwen3MoE(_ config: ConfigReader) throws -> DecoderDescription {
    let window = try config.slidingWindow()
    let attention = try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias"))
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: try config.sparseStepLayers { _ in window },
      mixture: try config.mixture(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob"))))
  }

  static func qwen2MoE(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .none, projectionBias: try config.bool("qkv_bias"))
    let sliding = try config.slidingWindow()
    let maximum = try config.int("max_window_layers", in: 0...4096)
    let types =
      try config.layerTypes(window: sliding)
      ?? (0..<(try config.layerCount())).map { $0 % 2 == 0 && $0 < maximum && sliding != nil }
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: try config.sparseStepLayers { types[$0] ? sliding : nil },
      mixture: try config.mixture(
        intermediate: try config.int("moe_intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob")),
        sharedIntermediate: try config.int("shared_expert_intermediate_size", in: ConfigurationBounds.width),
        sharedIsGated: true),
      naming: .standard.with(sharedExpert: "shared_expert"))
  }

  static func mixtral(_ config: ConfigReader) throws -> DecoderDescription {
    let attention = try config.groupedAttention(norm: .none)
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: Array(
        repeating: LayerDescription(feedForward: .mixture, slidingWindow: window), count: try config.layerCount()),
      mixture: try config.mixture(
        intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: true)),
      naming: TensorNaming(
        mixtureBlock: "block_sparse_moe", router: "gate", experts: .separate(gate: "w1", up: "w3", down: "w2"),
        sharedExpert: "shared_experts"))
  }

  static func olmoe(_ config: ConfigReader) throws -> DecoderDescription {
    var attention = try config.groupedAttention(
      norm: .fullWidth, bias: try config.bool("attention_bias"))
    attention.clip = try config.optionalDouble("clip_qkv", in: 1e-6...1e9).map { Float($0) }
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims).rotary,
      layers: Array(repeating: LayerDescription(feedForward: .mixture), count: try config.layerCount()),
      mixture: try config.mixture(
        intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
        router: .softmax(normalizes: try config.bool("norm_topk_prob"))))
  }

  static func gptOSS(_ config: ConfigReader) throws -> DecoderDescription {
    var attention = try config.groupedAttention(norm: .none, bias: try config.bool("attention_bias"))
    attention.hasSinks = true
    let count = try config.layerCount()
    let window = try config.optionalInt("sliding_window", in: ConfigurationBounds.positions)
    let types = try config.layerTypes(window: window) ?? (0..<count).map { $0 % 2 == 0 && window != nil }
    var mixture = try config.mixture(
      intermediate: try config.int("intermediate_size", in: ConfigurationBounds.width),
      router: RouterDescription(
        scoring: .softmaxOverChosen, hasSelectionBias: false, hasLinearBias: true, groups: nil, normalizes: false,
        scale: 1))
    mixture.expertHasBias = true
    mixture.activation = .clampedSwiGLU(
      alpha: Float(try config.double("swiglu_alpha", in: 1e-3...1e3)),
      limit: Float(try config.double("swiglu_limit", in: 1e-3...1e6)))
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: types.map { LayerDescription(feedForward: .mixture, slidingWindow: $0 ? window : nil) }, mixture: mixture,
      naming: TensorNaming(mixtureBlock: "mlp", router: "router", experts: .stacked, sharedExpert: "shared_experts"))
  }

  static func llama(_ config: ConfigReader) throws -> DecoderDescription {
    try dense(
      config, attention: try config.groupedAttention(norm: .none, bias: try config.bool("attention_bias")),
      slides: false,
      hasBias: try config.bool("mlp_bias"))
  }

  static func qwen2(_ config: ConfigReader) throws -> DecoderDescription {
    try dense(config, attention: try config.groupedAttention(norm: .none, projectionBias: true), slides: true)
  }

  static func qwen3(_ config: ConfigReader) throws -> DecoderDescription {
    try dense(
      config, attention: try config.groupedAttention(norm: .perHead, bias: try config.bool("attention_bias")),
      slides: true)
  }

  /// `slides`: some layers may attend to a window.
  private static func dense(
    _ config: ConfigReader, attention: GroupedAttention, slides: Bool, hasBias: Bool = false
  ) throws -> DecoderDescription {
    let intermediate = try config.int("intermediate_size", in: ConfigurationBounds.width)
    let count = try config.layerCount()
    let sliding = slides ? try config.slidingWindow() : nil
    var types: [Bool]?
    if slides {
      let first = try config.int("max_window_layers", in: 0...4096)
      types = try config.layerTypes(window: sliding) ?? (0..<count).map { $0 >= first && sliding != nil }
    }
    return try config.decoder(
      attention: .grouped(attention), rotary: try config.rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: (0..<count).map {
        LayerDescription(
          feedForward: .dense(intermediateSize: intermediate), slidingWindow: types?[$0] == true ? sliding : nil)
      },
      mixture: nil, denseHasBias: hasBias)
  }
}

extension RouterDescription {
  fileprivate static func softmax(normalizes: Bool) -> RouterDescription {
    RouterDescription(
      scoring: .softmax, hasSelectionBias: false, hasLinearBias: false, groups: nil, normalizes: normalizes, scale: 1)
  }
}

extension TensorNaming {
  fileprivate func with(sharedExpert: String) -> TensorNaming {
    var copy = self
    copy.sharedExpert = sharedExpert
    return copy
  }
}
