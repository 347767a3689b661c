import Checkpoints
import JSON

/// Settings of models with shared experts, and with a sigmoid router: DeepSeek and its kin.
extension ConfigReader {
  /// The experts of DeepSeek and its kin: shared experts side by side make one wider expert. `sharedKeys`: what their
  /// number is called.
  func sharedExpertMoE(
    router: RouterDescription, sharedKeys: ConfigKeys = "n_shared_experts"
  ) throws -> MoEDescription {
    let intermediate = try int("moe_intermediate_size", in: ConfigurationBounds.width)
    let shared = try int(sharedKeys, in: 0...64)
    return try moe(
      intermediate: intermediate, router: router, sharedIntermediate: shared == 0 ? nil : shared * intermediate,
      sharedIsGated: false)
  }

  /// `first_k_dense_replace`: how many layers are dense before the first one with experts.
  ///
  /// A model cut down to fewer layers than its family's default is dense throughout.
  private func firstMoELayer(of count: Int) throws -> Int {
    if has("first_k_dense_replace") { return try int("first_k_dense_replace", in: 0...count) }
    return min(try int("first_k_dense_replace", in: 0...ConfigurationBounds.layers.upperBound), count)
  }

  /// `moe_layer_freq`: every how many layers there are experts, or for each layer whether there are.
  private func moePattern(of count: Int) throws -> [Bool] {
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

  /// Dense layers up to `first_k_dense_replace`, and then experts; `thinned`: in the pattern of `moe_layer_freq`.
  func layersAfterDenseOnes(_ attention: AttentionDescription, thinned: Bool = false) throws -> [LayerDescription] {
    let count = try layerCount()
    let firstMoE = try firstMoELayer(of: count)
    let isMoE = thinned ? try moePattern(of: count) : Array(repeating: true, count: count)
    let intermediate = try int("intermediate_size", in: ConfigurationBounds.width)
    return (0..<count).map { layer in
      LayerDescription(
        attention: attention,
        feedForward: layer >= firstMoE && isMoE[layer] ? .moe : .dense(intermediateSize: intermediate))
    }
  }

  /// By `mlp_layer_types`; without it `denseCount` layers are dense, and then all have experts.
  func layersByType(_ attention: [AttentionDescription], denseCount: Int) throws -> [LayerDescription] {
    let count = attention.count
    let intermediate = try int("intermediate_size", in: ConfigurationBounds.width)
    let types =
      try optionalStrings("mlp_layer_types", maxCount: 4096)
      ?? (0..<count).map { $0 < denseCount ? "dense" : "sparse" }
    guard types.count == count else {
      throw ModelError.inconsistent("mlp_layer_types has \(types.count) entries for \(count) layers")
    }
    return try zip(attention, types).map { attention, type in
      switch type {
      case "sparse": LayerDescription(attention: attention, feedForward: .moe)
      case "dense": LayerDescription(attention: attention, feedForward: .dense(intermediateSize: intermediate))
      default: throw ModelError.unsupported(key: "mlp_layer_types", value: type, remedy: "dense and sparse are")
      }
    }
  }

  /// Holds a setting that says in a number how many layers are dense, where `mlp_layer_types` counts, against them.
  func requireDenseCount(_ key: String, of layers: [LayerDescription]) throws {
    guard let dense = try optionalInt(ConfigKeys(key), in: 0...layers.count),
      (layers.firstIndex { $0.isMoE } ?? layers.count) != dense
    else { return }
    throw ModelError.inconsistent("\(key) = \(dense) is not what mlp_layer_types, or its default, says")
  }

  /// DeepSeek-V3's router: sigmoid scores, a bias for the choice, groups of experts.
  func sigmoidRouter(normalizes: Bool) throws -> RouterDescription {
    let scale = Float(try double("routed_scaling_factor", in: 0...1e6))
    // dots.llm1 has the method here.
    try require("scoring_func", oneOf: ["sigmoid", "noaux_tc"])
    try require("topk_method", oneOf: ["noaux_tc"])
    return RouterDescription(
      scoring: .sigmoid, hasSelectionBias: true, hasLinearBias: false, groups: try expertGroups(score: .topTwoSum),
      normalizes: normalizes, scale: scale)
  }

  func expertGroups(score: RouterDescription.GroupScore) throws -> RouterDescription.Groups? {
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
        """
        num_experts_per_tok = \(topK) exceeds the \(kept * (experts / count)) experts in the topk_group = \(kept) \
        groups kept
        """
      )
    }
    return RouterDescription.Groups(count: count, kept: kept, score: score)
  }
}
