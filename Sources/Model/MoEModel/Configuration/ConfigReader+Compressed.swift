import Checkpoints
import JSON

/// Settings of compressed attention and of what else DeepSeek-V4 has.
extension ConfigReader {
  private static let layerTypeByRatio = [
    0: "sliding_attention", 4: "compressed_sparse_attention", 128: "heavily_compressed_attention",
  ]

  /// Each layer's attention, and that of the prediction modules' layers.
  func compressedAttention(
    rotaryDims: Int
  ) throws -> (layers: [CompressedAttention], module: CompressedAttention) {
    guard try int("num_key_value_heads", in: ConfigurationBounds.heads) == 1 else {
      throw ModelError.unsupported(
        key: "num_key_value_heads", value: "\(try int("num_key_value_heads", in: ConfigurationBounds.heads))",
        remedy: "this family's heads have one key in common: 1 is")
    }
    let plain = CompressedAttention(
      headCount: try int("num_attention_heads", in: ConfigurationBounds.heads),
      headDims: try int("head_dim", in: ConfigurationBounds.headDims), rotaryDims: rotaryDims,
      // Null, too, is what the class takes for a key left out.
      queryRank: try optionalInt("q_lora_rank", in: ConfigurationBounds.width) ?? 1024,
      window: try optionalInt("sliding_window", in: 1...(1 << 16)) ?? 128,
      groupCount: try int("o_groups", in: ConfigurationBounds.heads),
      groupRank: try int("o_lora_rank", in: ConfigurationBounds.width))
    guard plain.queryWidth % plain.groupCount == 0 else {
      throw ModelError.inconsistent(
        "o_groups = \(plain.groupCount) does not divide num_attention_heads · head_dim = \(plain.queryWidth)")
    }
    let types = try compressedLayerTypes()
    let indexer = try types.contains("compressed_sparse_attention") ? entryIndexer(rotaryDims: rotaryDims) : nil
    let rates = try compressionRates(of: Set(types))
    let attentions: [CompressedAttention] = try types.map { type in
      var attention = plain
      switch type {
      case "sliding_attention": break
      case "compressed_sparse_attention": (attention.ratio, attention.indexer) = (rates[type], indexer)
      case "heavily_compressed_attention": attention.ratio = rates[type]
      default:
        throw ModelError.unsupported(
          key: "layer_types", value: type,
          remedy: "sliding_attention, compressed_sparse_attention and heavily_compressed_attention are")
      }
      return attention
    }
    return (Array(attentions.dropLast()), attentions[attentions.count - 1])
  }

  /// `layer_types`, or the published `compress_ratios`, which may go on with those of prediction modules; then that of
  /// the first of these, which has its window only unless it is said there.
  private func compressedLayerTypes() throws -> [String] {
    let (count, window) = (try layerCount(), "sliding_attention")
    let ratios = try optionalInts("compress_ratios", in: 0...(1 << 20), maxCount: 4096)
    if let types = try optionalStrings("layer_types", maxCount: 4096) {
      guard types.count >= count else {
        throw ModelError.inconsistent("layer_types has \(types.count) entries for \(count) layers")
      }
      return types.prefix(count) + [types.count > count ? types[count] : window]
    }
    guard let ratios else {
      return (0..<count).map {
        $0 >= 2 && $0 % 2 == 1 ? "compressed_sparse_attention" : "heavily_compressed_attention"
      } + [window]
    }
    guard ratios.count >= count else {
      throw ModelError.inconsistent("compress_ratios has \(ratios.count) entries for \(count) layers")
    }
    let named = try ratios.prefix(count + 1).map { ratio in
      guard let type = Self.layerTypeByRatio[ratio] else {
        throw ModelError.unsupported(key: "compress_ratios", value: "\(ratio)", remedy: "0, 4 and 128 are")
      }
      return type
    }
    return named.count > count ? named : named + [window]
  }

  /// How many tokens an entry stands for, by the type of layers.
  private func compressionRates(of types: Set<String>) throws -> [String: Int] {
    let settings = try optionalNested("compress_rates")
    var rates: [String: Int] = [:]
    for (type, short, usual) in [
      ("compressed_sparse_attention", "compress_rate_csa", 4),
      ("heavily_compressed_attention", "compress_rate_hca", 128),
    ] {
      let bounds = 1...(1 << 16)
      let inside = try settings?.optionalInt(ConfigKeys(type), in: bounds)
      let rate = try optionalInt(ConfigKeys(short), in: bounds) ?? inside ?? usual
      guard EntryPlaces.fits(ratio: rate, blockTokens: KeyValueCache.blockTokens) || !types.contains(type) else {
        throw ModelError.unsupported(
          key: "compress_rates.\(type)", value: "\(rate)",
          remedy: "rates that divide \(KeyValueCache.blockTokens) and multiples of it are")
      }
      rates[type] = rate
    }
    return rates
  }

  private func entryIndexer(rotaryDims: Int) throws -> LightningIndexer {
    let indexer = LightningIndexer(
      headCount: try int("index_n_heads", in: ConfigurationBounds.heads),
      headDims: try int("index_head_dim", in: ConfigurationBounds.headDims),
      topK: try int("index_topk", in: ConfigurationBounds.positions), interleaved: true, isShared: false)
    guard indexer.headDims >= rotaryDims else {
      throw ModelError.inconsistent(
        "index_head_dim = \(indexer.headDims) is less than the \(rotaryDims) dimensions that the indexer rotates")
    }
    return indexer
  }

  /// For each layer whether a token's experts follow from its id: by `mlp_layer_types`, or the first `num_hash_layers`.
  func layersRoutedByToken() throws -> [Bool] {
    let count = try layerCount()
    let hashed = try optionalInt("num_hash_layers", in: 0...4096) ?? 3
    guard let types = try optionalStrings("mlp_layer_types", maxCount: 4096) else {
      return (0..<count).map { $0 < hashed }
    }
    guard types.count >= count else {
      throw ModelError.inconsistent("mlp_layer_types has \(types.count) entries for \(count) layers")
    }
    return try types.prefix(count).map { type in
      switch type {
      case "hash_moe": true
      case "moe": false
      default: throw ModelError.unsupported(key: "mlp_layer_types", value: type, remedy: "hash_moe and moe are")
      }
    }
  }

  func hyperConnections() throws -> HyperConnections {
    HyperConnections(
      streams: try int("hc_mult", in: 1...32), iterations: try int("hc_sinkhorn_iters", in: 0...1000),
      epsilon: Float(try double("hc_eps", in: 0...1)))
  }

  /// How many dimensions of a head turn: `partial_rotary_factor` of them, or `qk_rope_head_dim`, or an eighth.
  func trailingRotaryDims() throws -> Int {
    let dims = try int("head_dim", in: ConfigurationBounds.headDims)
    let given = try optionalInt("qk_rope_head_dim", in: ConfigurationBounds.headDims)
    let share = try optionalDouble("partial_rotary_factor", in: 0.001...1)
    let rotated = share.map { Int($0 * Double(dims)) } ?? given ?? dims / 8
    guard rotated >= 2, rotated % 2 == 0, rotated <= dims else {
      throw ModelError.inconsistent(
        """
        qk_rope_head_dim, or partial_rotary_factor, makes \(rotated) of head_dim = \(dims) dimensions rotate; they \
        must be even, not zero, and no more than a head has
        """
      )
    }
    return rotated
  }

  /// How layers turn that have their window only, and those that attend to entries: with a base of their own and, as
  /// published, YaRN. Saved anew, settings are nested under `main` and `compress`.
  func rotaryPair(dims: Int) throws -> (main: RotaryDescription, entries: RotaryDescription) {
    let older = try optionalNested("rope_scaling").flatMap { $0.object.count > 0 ? ("rope_scaling", $0) : nil }
    let found = try older ?? optionalNested("rope_parameters").map { ("rope_parameters", $0) }
    func plain(_ base: Double) -> RotaryDescription {
      RotaryDescription(dims: dims, base: base, scaling: .none, attentionFactor: 1, interleaved: true)
    }
    var (main, entries) = (
      plain(try double("rope_theta", in: Self.bases)), plain(try double("compress_rope_theta", in: Self.bases))
    )
    guard let (key, settings) = found else { return (main, entries) }
    if let ofMain = try Self.part("main", of: settings), let ofEntries = try Self.part("compress", of: settings) {
      try resolve(&main, ofMain, key: "\(key).main")
      try resolve(&entries, ofEntries, key: "\(key).compress")
      return (main, entries)
    }
    // Bases and shares inside are not what counts there.
    for key in ["rope_theta", "partial_rotary_factor"] { settings.ignore(key) }
    let kind = try settings.rotaryKind(key)
    try stretch(&entries, kind, settings, key: key)
    if kind == "yarn" {
      entries.attentionFactor = try settings.optionalDouble("attention_factor", in: 1e-3...1e3) ?? 1
    }
    return (main, entries)
  }

  private static func part(_ name: String, of settings: ConfigReader) throws -> ConfigReader? {
    settings.object[name]?.object == nil ? nil : try settings.optionalNested(ConfigKeys(name))
  }

  private func resolve(_ rotary: inout RotaryDescription, _ settings: ConfigReader, key: String) throws {
    rotary.base = try settings.optionalDouble("rope_theta", in: Self.bases) ?? rotary.base
    if let share = try settings.optionalDouble("partial_rotary_factor", in: 0.001...1) {
      let dims = try int("head_dim", in: ConfigurationBounds.headDims)
      guard Int(share * Double(dims)) == rotary.dims else {
        throw ModelError.inconsistent(
          """
          \(key).partial_rotary_factor = \(share) is not the \(rotary.dims) of \(dims) dimensions that other \
          settings say
          """
        )
      }
    }
    try stretch(&rotary, try settings.rotaryKind(key), settings, key: key)
  }

  /// As others are scaled, but that the class looks for the original context inside only, and nowhere for `truncate`.
  private func stretch(
    _ rotary: inout RotaryDescription, _ kind: String, _ settings: ConfigReader, key: String
  ) throws {
    try scale(&rotary, kind, settings, key: key, looksBeside: false)
    guard case .yarn(let factor, let original, let fast, let slow, _) = rotary.scaling else { return }
    rotary.scaling = .yarn(
      factor: factor, originalPositions: original, betaFast: fast, betaSlow: slow, truncates: true)
  }
}
