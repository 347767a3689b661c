import Checkpoints

/// Reads a published `config.json` into a `DecoderDescription`.
///
/// Sizes are bounded so that no product of two of them overflows and a hostile file cannot ask for absurd memory.
package enum ModelConfiguration {
  private typealias Family = @Sendable (ConfigReader) throws -> DecoderDescription

  private static let families: [(name: String, read: Family)] = [
    ("deepseek_v3", { try deepSeek($0, version: 3) }),
    ("deepseek_v2", { try deepSeek($0, version: 2) }),
    ("qwen3_moe", { try qwen3MoE($0) }),
    ("qwen2_moe", { try qwen2MoE($0) }),
    ("mixtral", { try mixtral($0) }),
    ("olmoe", { try olmoe($0) }),
    ("glm4_moe", { try glm4MoE($0) }),
    ("gpt_oss", { try gptOSS($0) }),
    ("llama", { try llama($0) }),
    ("qwen2", { try qwen2($0) }),
    ("qwen3", { try qwen3($0) }),
  ]

  package static let supportedFamilies = families.map(\.name)

  /// Throws `ModelError` or `CheckpointError` naming the key at fault.
  package static func read(_ config: ConfigReader) throws -> DecoderDescription {
    let family = try config.string("model_type")
    guard let reader = families.first(where: { $0.name == family }) else {
      throw ModelError.unsupportedArchitecture(family, known: supportedFamilies)
    }
    let activation = try config.optionalString("hidden_act") ?? "silu"
    guard activation == "silu" || activation == "swiglu" else {
      throw ModelError.unsupported(key: "hidden_act", value: activation, remedy: "only silu is")
    }
    return try reader.read(config)
  }
}

/// The bounds every family's numbers must keep.
enum ConfigurationBounds {
  static let vocabulary = 1...(1 << 22)
  static let width = 1...(1 << 20)
  static let heads = 1...4096
  static let headDims = 1...4096
  static let layers = 1...1024
  static let experts = 1...8192
  static let positions = 1...(1 << 26)
}

extension ConfigReader {
  /// The parts every family spells the same way.
  func decoder(
    attention: AttentionDescription, rotary: RotaryDescription, layers: [LayerDescription], mixture: MixtureDescription?,
    naming: TensorNaming = .standard, denseHasBias: Bool = false
  ) throws -> DecoderDescription {
    let grouping = attention.headCount
    let quantization = try quantization()
    guard grouping > 0 else { throw ModelError.inconsistent("num_attention_heads must be positive") }
    return DecoderDescription(
      family: try string("model_type"),
      vocabularySize: try int("vocab_size", in: ConfigurationBounds.vocabulary),
      hiddenSize: try int("hidden_size", in: ConfigurationBounds.width),
      maximumPositions: try int("max_position_embeddings", in: ConfigurationBounds.positions),
      normEpsilon: Float(try optionalDouble("rms_norm_eps", in: 0...1) ?? 1e-6),
      tiedEmbeddings: try optionalBool("tie_word_embeddings") ?? false,
      attention: attention, rotary: rotary, layers: layers,
      mixture: layers.contains { $0.isMixture } ? mixture : nil,
      denseHasBias: denseHasBias,
      quantization: quantization, weights: quantization.precision, naming: naming,
      predictionLayerCount: try optionalInt(["num_nextn_predict_layers", "num_mtp_layers"], in: 0...64) ?? 0)
  }

  func layerCount() throws -> Int { try int("num_hidden_layers", in: ConfigurationBounds.layers) }

  private func quantization() throws -> Quantization {
    guard let quantization = try optionalNested("quantization_config") else { return .none }
    let method = try quantization.string("quant_method")
    switch method {
    case "fp8":
      let format = try quantization.optionalString("fmt") ?? "e4m3"
      guard format == "e4m3" else {
        throw ModelError.unsupported(key: "quantization_config.fmt", value: format, remedy: "only e4m3 is")
      }
      let block = try quantization.optionalInts("weight_block_size", in: 1...(1 << 20), maxCount: 4096)
      guard block == [128, 128] else {
        throw ModelError.unsupported(
          key: "quantization_config.weight_block_size", value: block.map { "\($0)" } ?? "null",
          remedy: "only [128, 128] is")
      }
      return .float8Blocks
    case "mxfp4": return .mxfp4Experts
    case QuantizationSettings.method: return .martinet(try QuantizationSettings.read(quantization))
    default:
      throw ModelError.unsupported(
        key: "quantization_config.quant_method", value: method,
        remedy: "use the unquantised checkpoint, or one in fp8 (128 × 128 blocks) or mxfp4")
    }
  }

  /// Rotary parameters in either spelling: `rope_theta` + `rope_scaling`, or `rope_parameters`.
  /// `dimsKey` is the setting that `dims` comes from.
  func rotary(
    dims: Int, dimsKey: String = "head_dim", interleaved: Bool = false, defaultBase: Double = 10_000, partial: Double? = nil
  ) throws -> (rotary: RotaryDescription, scaling: ConfigReader?) {
    let newer = try optionalNested("rope_parameters")
    let scaling = try newer ?? optionalNested("rope_scaling")
    let bases = 1.0001...1e12
    let base = try newer?.optionalDouble("rope_theta", in: bases) ?? optionalDouble("rope_theta", in: bases) ?? defaultBase
    let share =
      try newer?.optionalDouble("partial_rotary_factor", in: 0.001...1)
      ?? optionalDouble("partial_rotary_factor", in: 0.001...1) ?? partial ?? 1
    let rotated = Int(Double(dims) * share)
    guard rotated >= 2, rotated % 2 == 0 else {
      throw ModelError.inconsistent("\(dimsKey) = \(dims), of which a share of \(share) is rotated, leaves \(rotated) rotary dimensions; they must be even and not zero")
    }
    var rotary = RotaryDescription(
      dims: rotated, base: base, scaling: .none, attentionFactor: 1, interleaved: interleaved)
    guard let scaling else { return (rotary, nil) }
    let factors = 1e-3...1e6
    let kind = try scaling.optionalString("rope_type") ?? scaling.optionalString("type") ?? "default"
    switch kind {
    case "default", "mrope": break
    case "linear": rotary.scaling = .linear(factor: try scaling.double("factor", in: factors))
    case "yarn":
      let maximum = try int("max_position_embeddings", in: ConfigurationBounds.positions)
      let original =
        try scaling.optionalInt("original_max_position_embeddings", in: ConfigurationBounds.positions) ?? maximum
      let factor = try scaling.optionalDouble("factor", in: factors) ?? Double(maximum) / Double(original)
      rotary.scaling = .yarn(
        factor: factor, originalPositions: original,
        betaFast: try nonZero(scaling.optionalDouble("beta_fast", in: 0...1e6)) ?? 32,
        betaSlow: try nonZero(scaling.optionalDouble("beta_slow", in: 0...1e6)) ?? 1,
        truncates: try scaling.optionalBool("truncate") ?? true)
      rotary.attentionFactor = try scaling.yarnAttentionFactor(factor: factor)
    case "llama3":
      let low = try scaling.double("low_freq_factor", in: factors)
      let high = try scaling.double("high_freq_factor", in: factors)
      guard high > low else { throw ModelError.inconsistent("rope_scaling.high_freq_factor must exceed low_freq_factor") }
      rotary.scaling = .llama3(
        factor: try scaling.double("factor", in: factors), lowFactor: low, highFactor: high,
        originalPositions: try scaling.int("original_max_position_embeddings", in: ConfigurationBounds.positions))
    default:
      throw ModelError.unsupported(
        key: "\(newer == nil ? "rope_scaling" : "rope_parameters").\(scaling.has("rope_type") ? "rope_type" : "type")", value: kind, remedy: "default, linear, yarn and llama3 are; remove rope_scaling to run at the original context length")
    }
    return (rotary, scaling)
  }

  private func nonZero(_ value: Double?) -> Double? { value == 0 ? nil : value }

  private func yarnAttentionFactor(factor: Double) throws -> Double {
    if let given = try optionalDouble("attention_factor", in: 1e-3...1e3) { return given }
    if let mscale = try optionalDouble("mscale", in: 0...1e3), let all = try optionalDouble("mscale_all_dim", in: 0...1e3),
      mscale != 0, all != 0
    {
      return RotaryDescription.yarnMagnitude(factor: factor, mscale: mscale)
        / RotaryDescription.yarnMagnitude(factor: factor, mscale: all)
    }
    return RotaryDescription.yarnMagnitude(factor: factor)
  }
}
