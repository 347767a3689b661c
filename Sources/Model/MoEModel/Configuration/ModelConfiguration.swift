import Checkpoints

/// Reads a published `config.json` into a `DecoderDescription`: what its family's reference class makes of it.
///
/// Sizes are bounded so that no product of two of them overflows and a hostile file cannot ask for absurd memory.
package enum ModelConfiguration {
  /// Of models of text alone.
  package static let textFamilies = ModelFamily.all.map(\.name)
  package static let supportedFamilies = textFamilies + CompositeModel.all.map(\.name)

  /// Throws `ModelError` or `CheckpointError` naming the key at fault.
  package static func read(_ config: ConfigReader) throws -> DecoderDescription {
    let name = try config.string("model_type")
    if let composite = CompositeModel.named(name) { return try composite.read(config) }
    return try ModelFamily.named(name).read(config)
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
    rotary: RotaryDescription, layers: [LayerDescription], moe: MoEDescription?, denseHasBias: Bool = false
  ) throws -> DecoderDescription {
    let (quantization, float8Block) = try quantization()
    guard layers.allSatisfy({ $0.attention.headCount > 0 }) else {
      throw ModelError.inconsistent("num_attention_heads must be positive")
    }
    return DecoderDescription(
      family: try optionalString("model_type") ?? "",
      vocabularySize: try int("vocab_size", in: ConfigurationBounds.vocabulary),
      hiddenSize: try int("hidden_size", in: ConfigurationBounds.width),
      maximumPositions: rotary.scaling.context(
        of: try int("max_position_embeddings", in: ConfigurationBounds.positions),
        atMost: ConfigurationBounds.positions.upperBound),
      normEpsilon: Float(try double("rms_norm_eps", in: 0...1)),
      tiedEmbeddings: try bool("tie_word_embeddings"),
      rotary: rotary, layers: layers,
      moe: layers.contains { $0.isMoE } ? moe : nil,
      denseHasBias: denseHasBias,
      quantization: quantization, float8Block: float8Block, weights: quantization.precision, names: .standard,
      predictionLayerCount: try predictionLayerCount())
  }

  func layerCount() throws -> Int { try int("num_hidden_layers", in: ConfigurationBounds.layers) }

  /// Older and newer spelling may differ, as in folders saved anew: nothing depends on the count but what is said of
  /// it.
  private func predictionLayerCount() throws -> Int {
    let newer = try optionalInt("num_mtp_layers", in: 0...64)
    return try optionalInt("num_nextn_predict_layers", in: 0...64) ?? newer ?? 0
  }
}
