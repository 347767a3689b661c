import Checkpoints
import JSON

/// Rotary settings in every spelling, resolved as the reference implementation's `convert_rope_params_to_dict` and
/// `standardize_rope_params` do.
extension ConfigReader {
  static let bases = 1.0001...1e12
  private static let factors = 1e-3...1e6

  /// `dimsKey`: the setting that `dims` comes from. `rotatesPart`: whether the family knows `partial_rotary_factor`;
  /// the others ignore it. `legacyShare`: what the share is without it. `layerTypes`: for each layer whether it slides,
  /// in families that may nest settings by layer type.
  ///
  /// A `rope_scaling` that says anything takes the place of `rope_parameters` altogether; `rope_theta` is looked for
  /// inside and then outside.
  func rotary(
    dims: Int, dimsKey: String = "head_dim", interleaved: Bool = false, rotatesPart: Bool = false,
    legacyShare: Double? = nil, layerTypes: [Bool]? = nil
  ) throws -> (rotary: RotaryDescription, scaling: ConfigReader?) {
    let older = try optionalNested("rope_scaling").flatMap { $0.object.count > 0 ? ("rope_scaling", $0) : nil }
    let found = try older ?? optionalNested("rope_parameters").map { ("rope_parameters", $0) }
    let key = found?.0 ?? "rope_parameters"
    let settings = try found.map { try Self.sharedByLayers($0.1, key: $0.0, layerTypes: layerTypes) }
    let base = try inner(settings, "rope_theta", { try $0.optionalDouble("rope_theta", in: Self.bases) }) ?? 10_000
    let kind = try settings?.rotaryKind(key) ?? "default"
    var share = 1.0
    if rotatesPart {
      share =
        try inner(settings, "partial_rotary_factor", { try $0.optionalDouble("partial_rotary_factor", in: 0.001...1) })
        ?? legacyShare ?? 1
    } else if kind != "default" {
      let given = try inner(
        settings, "partial_rotary_factor", { try $0.optionalDouble("partial_rotary_factor", in: 0...1) })
      if let given, given != 1 {
        throw ModelError.unsupported(
          key: "partial_rotary_factor", value: "\(given)",
          remedy: "this family turns all dimensions, and cannot scale a part of them; remove it")
      }
    }
    let rotated = Int(Double(dims) * share)
    guard rotated >= 2, rotated % 2 == 0 else {
      let dimsKey = dimsKey == "head_dim" && !has("head_dim") ? "hidden_size / num_attention_heads" : dimsKey
      throw ModelError.inconsistent(
        "\(dimsKey) = \(dims), of which a share of \(share) is rotated, leaves \(rotated) rotary dimensions; "
          + "they must be even and not zero")
    }
    var rotary = RotaryDescription(
      dims: rotated, base: base, scaling: .none, attentionFactor: 1, interleaved: interleaved)
    guard let settings else { return (rotary, nil) }
    try scale(&rotary, kind, settings, key: key)
    return (rotary, settings)
  }

  /// Puts a kind of scaling into effect, of which `settings`, under `key`, say more. `looksBeside`: whether the
  /// original context may be said outside of them.
  func scale(
    _ rotary: inout RotaryDescription, _ kind: String, _ settings: ConfigReader, key: String, looksBeside: Bool = true
  ) throws {
    switch kind {
    case "linear": rotary.scaling = .linear(factor: try settings.double("factor", in: Self.factors))
    case "yarn":
      let original = try originalPositions(settings, looksBeside: looksBeside)
      let factor =
        try settings.optionalDouble("factor", in: Self.factors)
        ?? Double(try int("max_position_embeddings", in: ConfigurationBounds.positions)) / Double(original)
      rotary.scaling = .yarn(
        factor: factor, originalPositions: original,
        betaFast: try nonZero(settings.optionalDouble("beta_fast", in: 0...1e6)) ?? 32,
        betaSlow: try nonZero(settings.optionalDouble("beta_slow", in: 0...1e6)) ?? 1,
        // Null is false there.
        truncates: try settings.optionalBool("truncate") ?? (settings.object["truncate"] == nil))
      rotary.attentionFactor = try settings.yarnAttentionFactor(factor: factor)
    case "llama3":
      let low = try settings.double("low_freq_factor", in: Self.factors)
      let high = try settings.double("high_freq_factor", in: Self.factors)
      guard high > low else { throw ModelError.inconsistent("\(key).high_freq_factor must exceed low_freq_factor") }
      rotary.scaling = .llama3(
        factor: try settings.double("factor", in: Self.factors), lowFactor: low, highFactor: high,
        originalPositions: try originalPositions(settings, looksBeside: looksBeside))
    default: break
    }
  }

  /// `rope_type`, or `type` as it was called; both are read, and the newer one counts.
  func rotaryKind(_ key: String) throws -> String {
    let older = try optionalString("type")
    let newer = try optionalString("rope_type")
    let kind = newer ?? older ?? "default"
    switch kind {
    // Of text alone, mrope's three positions are the same.
    case "default", "mrope": return "default"
    case "linear", "yarn", "llama3": return kind
    // As Sarvam's files have it.
    case "deepseek_yarn": return "yarn"
    default:
      throw ModelError.unsupported(
        key: "\(key).\(newer == nil ? "type" : "rope_type")", value: kind,
        remedy: "default, linear, yarn and llama3 are; remove \(key) to run at the original context length")
    }
  }

  /// A setting inside the rotary settings or, failing that, beside them; one beside that says the same is read too.
  private func inner(
    _ settings: ConfigReader?, _ key: String, _ read: (ConfigReader) throws -> Double?
  ) throws -> Double? {
    guard let settings, let value = try read(settings) else { return try read(self) }
    if let beside = object[key]?.double, beside == value { _ = try read(self) }
    return value
  }

  /// `original_max_position_embeddings`: beside the rotary settings before inside, as Phi-3's folders have it.
  func originalPositions(_ settings: ConfigReader, looksBeside: Bool = true) throws -> Int {
    let key = "original_max_position_embeddings"
    let bounds = Double(ConfigurationBounds.positions.lowerBound)...Double(ConfigurationBounds.positions.upperBound)
    let inside = try settings.optionalDouble(ConfigKeys(key), in: bounds)
    guard let value = try (looksBeside ? optionalDouble(ConfigKeys(key), in: bounds) : nil) ?? inside else {
      return try int("max_position_embeddings", in: ConfigurationBounds.positions)
    }
    guard let positions = Int(exactly: value) else {
      throw ModelError.unsupported(key: key, value: "\(value)", remedy: "it must be a whole number")
    }
    return positions
  }

  /// Settings that are nested by layer type, where all layers have the same; one set for all is as it is.
  private static func sharedByLayers(_ settings: ConfigReader, key: String, layerTypes: [Bool]?) throws -> ConfigReader
  {
    guard let nested = settings.object.members.first(where: { $0.value.object != nil }) else { return settings }
    let name = "\(key).\(nested.key)"
    guard let layerTypes else {
      throw ModelError.unsupported(
        key: name, value: "an object", remedy: "layers of this family have no types; give one set of rotary parameters")
    }
    let types = Set(layerTypes.map { $0 ? "sliding_attention" : "full_attention" }).sorted()
    let sets = try types.map { try settings.nested(ConfigKeys($0)) }
    guard let first = sets.first, sets.allSatisfy({ $0.object == first.object }) else {
      throw ModelError.unsupported(
        key: name, value: "an object",
        remedy: "other rotary parameters for some layers than for others are not; "
          + "\(types.joined(separator: " and ")) must have the same")
    }
    return first
  }

  private func nonZero(_ value: Double?) -> Double? { value == 0 ? nil : value }

  private func yarnAttentionFactor(factor: Double) throws -> Double {
    if let given = try optionalDouble("attention_factor", in: 1e-3...1e3) { return given }
    if let mscale = try optionalDouble("mscale", in: 0...1e3),
      let all = try optionalDouble("mscale_all_dim", in: 0...1e3),
      mscale != 0, all != 0
    {
      return RotaryDescription.yarnMagnitude(factor: factor, mscale: mscale)
        / RotaryDescription.yarnMagnitude(factor: factor, mscale: all)
    }
    return RotaryDescription.yarnMagnitude(factor: factor)
  }
}
