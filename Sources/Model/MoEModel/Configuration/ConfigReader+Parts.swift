import Checkpoints

/// Parts of a configuration that several families share.
extension ConfigReader {
  func groupedAttention(
    norm: GroupedAttention.QueryKeyNorm, bias: Bool = false, projectionBias: Bool? = nil
  ) throws -> GroupedAttention {
    let heads = try int("num_attention_heads", in: ConfigurationBounds.heads)
    let keyValueHeads = try optionalInt("num_key_value_heads", in: ConfigurationBounds.heads) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw ModelError.inconsistent(
        "num_attention_heads = \(heads) is not a multiple of num_key_value_heads = \(keyValueHeads)")
    }
    let headDims: Int
    if let given = try optionalInt("head_dim", in: ConfigurationBounds.headDims) {
      headDims = given
    } else {
      let hidden = try int("hidden_size", in: ConfigurationBounds.width)
      guard hidden % heads == 0 else {
        throw ModelError.inconsistent("hidden_size = \(hidden) is not a multiple of num_attention_heads = \(heads)")
      }
      headDims = hidden / heads
    }
    return GroupedAttention(
      headCount: heads, keyValueHeadCount: keyValueHeads, headDims: headDims, queryKeyNorm: norm,
      projectionBias: projectionBias ?? bias, outputBias: bias, clip: nil, hasSinks: false)
  }

  func expertCount() throws -> Int {
    try int(
      ["n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"], in: ConfigurationBounds.experts)
  }

  func topK() throws -> Int {
    let topK = try int(["num_experts_per_tok", "experts_per_token", "moe_k"], in: 1...1024)
    let experts = try expertCount()
    guard topK <= experts else {
      throw ModelError.inconsistent(
        "\(has("moe_k") ? "moe_k" : "num_experts_per_tok") = \(topK) exceeds the \(experts) experts")
    }
    return topK
  }

  func moe(
    intermediate: Int, router: RouterDescription, sharedIntermediate: Int? = nil, sharedIsGated: Bool = false
  ) throws -> MoEDescription {
    MoEDescription(
      expertCount: try expertCount(), topK: try topK(), expertIntermediateSize: intermediate, activation: .swiGLU,
      router: router, expertHasBias: false, sharedIntermediateSize: sharedIntermediate, sharedIsGated: sharedIsGated)
  }

  /// Qwen's rule: a layer is one of experts unless listed in `mlp_only_layers` or skipped by `decoder_sparse_step`.
  func sparseStepLayers(_ attention: GroupedAttention, window: (Int) -> Int?) throws -> [LayerDescription] {
    let count = try layerCount()
    let step = try int("decoder_sparse_step", in: 1...4096)
    let denseOnly = Set(try optionalInts("mlp_only_layers", in: 0...(1 << 20), maxCount: 4096) ?? [])
    let intermediate = try int("intermediate_size", in: ConfigurationBounds.width)
    return (0..<count).map { layer in
      let isMoE = !denseOnly.contains(layer) && (layer + 1) % step == 0
      return LayerDescription(
        attention: .grouped(attention), feedForward: isMoE ? .moe : .dense(intermediateSize: intermediate),
        slidingWindow: window(layer))
    }
  }

  /// `sliding_window` where `use_sliding_window` asks for it.
  func slidingWindow() throws -> Int? {
    guard try bool("use_sliding_window") else {
      // Folders saved anew have 0 here.
      ignore("sliding_window")
      return nil
    }
    return try optionalInt("sliding_window", in: ConfigurationBounds.positions)
  }

  /// For each layer of `layer_types`, whether it slides, which it cannot without a `window`; nil when the key is
  /// missing.
  func layerTypes(window: Int?) throws -> [Bool]? {
    guard let types = try optionalStrings("layer_types", maxCount: 4096) else { return nil }
    let count = try layerCount()
    guard types.count == count else {
      throw ModelError.inconsistent("layer_types has \(types.count) entries for \(count) layers")
    }
    return try types.map { type in
      switch type {
      case "sliding_attention":
        guard window != nil else {
          throw ModelError.inconsistent(
            "layer_types has sliding_attention, but there is no sliding_window, or use_sliding_window is false")
        }
        return true
      case "full_attention": return false
      default:
        throw ModelError.unsupported(
          key: "layer_types", value: type, remedy: "full_attention and sliding_attention are")
      }
    }
  }

  /// A model without experts; `slides`: some layers may attend to a window.
  func denseDecoder(attention: GroupedAttention, slides: Bool, hasBias: Bool = false) throws -> DecoderDescription {
    let intermediate = try int("intermediate_size", in: ConfigurationBounds.width)
    let count = try layerCount()
    let sliding = slides ? try slidingWindow() : nil
    var types: [Bool]?
    if slides {
      let first = try int("max_window_layers", in: 0...4096)
      types = try layerTypes(window: sliding) ?? (0..<count).map { $0 >= first && sliding != nil }
    }
    return try decoder(
      rotary: try rotary(dims: attention.headDims, layerTypes: types).rotary,
      layers: (0..<count).map {
        LayerDescription(
          attention: .grouped(attention), feedForward: .dense(intermediateSize: intermediate),
          slidingWindow: types?[$0] == true ? sliding : nil)
      },
      moe: nil, denseHasBias: hasBias)
  }

  /// Settings that say what is done anyway, in families where nothing else is.
  func require(_ keys: [String], is value: Bool) throws {
    for key in keys {
      guard let found = try optionalBool(ConfigKeys(key)), found != value else { continue }
      throw ModelError.unsupported(key: key, value: "\(found)", remedy: "only \(value) is")
    }
  }

  func require(_ key: String, oneOf known: [String]) throws {
    guard let value = try optionalString(ConfigKeys(key)) else { return }
    guard known.contains(value) else {
      throw ModelError.unsupported(key: key, value: value, remedy: "\(known.joined(separator: " or ")) is")
    }
  }
}

extension RouterDescription {
  static func softmax(normalizes: Bool) -> RouterDescription {
    RouterDescription(
      scoring: .softmax, hasSelectionBias: false, hasLinearBias: false, groups: nil, normalizes: normalizes, scale: 1)
  }
}
