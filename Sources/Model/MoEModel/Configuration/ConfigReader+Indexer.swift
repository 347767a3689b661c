import Checkpoints
import JSON

/// Settings of the lightning indexer, and of layers beside it: DeepSeek-V3.2 and GLM-5.
extension ConfigReader {
  /// Layers of latent attention, each with an indexer of its own or, where `shares` says so, the choice of one before
  /// it.
  ///
  /// `interleaved`: how the indexer pairs rotary dimensions, which is the family's and no setting. `queryRank`: the
  /// query's rank where the configuration leaves it out, as null does: the indexer needs one.
  func indexedLayers(
    _ attention: LatentAttention, interleaved: Bool, queryRank: Int, shares: [Bool]
  ) throws -> [LayerDescription] {
    var attention = attention
    attention.queryRank = attention.queryRank ?? queryRank
    var indexer = LightningIndexer(
      headCount: try int("index_n_heads", in: ConfigurationBounds.heads),
      headDims: try int("index_head_dim", in: ConfigurationBounds.headDims),
      topK: try int("index_topk", in: ConfigurationBounds.positions), interleaved: interleaved, isShared: false)
    guard indexer.headDims >= attention.rotaryDims else {
      throw ModelError.inconsistent(
        """
        index_head_dim = \(indexer.headDims) is less than qk_rope_head_dim = \(attention.rotaryDims), which the \
        indexer rotates
        """
      )
    }
    try requireRotation("rope_interleave", true)
    try requireRotation("indexer_rope_interleave", interleaved)
    // Of prediction modules, and what follows from other settings.
    for key in ["index_share_for_mtp_iteration", "qk_head_dim"] { ignore(key) }
    if let types = try optionalStrings("layer_types", maxCount: 4096),
      let other = types.first(where: { $0 != "indexed_attention" && $0 != "deepseek_sparse_attention" })
    {
      throw ModelError.unsupported(key: "layer_types", value: other, remedy: "indexed_attention is")
    }
    _ = try optionalInt("moe_layer_freq", in: 1...1)
    return try layersByType(
      shares.map { isShared in
        indexer.isShared = isShared
        attention.indexer = indexer
        return .latent(attention)
      }, denseCount: try int("first_k_dense_replace", in: 0...ConfigurationBounds.layers.upperBound))
  }

  /// The reference class has no such setting; others read it.
  private func requireRotation(_ key: String, _ only: Bool) throws {
    guard let value = try optionalBool(ConfigKeys(key)), value != only else { return }
    throw ModelError.unsupported(key: key, value: "\(value)", remedy: "this family's attention is made for \(only)")
  }

  /// For each layer whether it shares the choice of one before it: by `indexer_types`, or `index_topk_pattern`, or
  /// every `index_topk_freq`-th layer after the first `index_skip_topk_offset` - 1 has an indexer.
  func sharedIndexers() throws -> [Bool] {
    let count = try layerCount()
    let key = object["indexer_types"]?.isNull == false ? "indexer_types" : "index_topk_pattern"
    let shares: [Bool]
    if let types = try indexerTypes(key) {
      for key in ["index_topk_pattern", "index_topk_freq", "index_skip_topk_offset"] { ignore(key) }
      guard types.count >= count else {
        throw ModelError.inconsistent("\(key) has \(types.count) entries for \(count) layers")
      }
      // Entries past the last layer are the prediction modules'.
      shares = try types.prefix(count).map { type in
        switch type {
        case "full": false
        case "shared": true
        default: throw ModelError.unsupported(key: key, value: type, remedy: "full and shared are")
        }
      }
    } else {
      let every = max(try optionalInt("index_topk_freq", in: 0...4096) ?? 1, 1)
      let offset = try optionalInt("index_skip_topk_offset", in: -4096...4096) ?? 2
      shares = (0..<count).map { max($0 - offset + 1, 0) % every != 0 }
    }
    guard shares.first != true else {
      let source = object[key]?.isNull == false ? key : "index_topk_freq with index_skip_topk_offset"
      throw ModelError.inconsistent("\(source) makes the first layer share an indexer's choice, but none is before it")
    }
    return shares
  }

  /// A list or, of a pattern, one string with F or S for each layer.
  private func indexerTypes(_ key: String) throws -> [String]? {
    if key == "index_topk_pattern", object[key]?.string != nil {
      return try optionalString(ConfigKeys(key))?.map { ["F": "full", "S": "shared"][$0] ?? String($0) }
    }
    return try optionalStrings(ConfigKeys(key), maxCount: 4096)
  }
}
