import Checkpoints
import JSON

/// A family of published models: how its `config.json` reads, and what its tensors are called. Each is a file of this
/// folder and a line in `all`.
package struct ModelFamily: Sendable {
  /// `model_type` in `config.json`.
  package let name: String
  /// What settings are when `config.json` leaves them out or says null: the values of the reference implementation's
  /// configuration class (transformers 5.24), as JSON; those that are read here.
  /// `Tests/Reference/make_configuration_cases.py` holds them to the class.
  let defaults: String
  /// Settings for which null is a value of its own there.
  let nullable: Set<String>
  let names: PublishedNames
  /// Asks a reader that knows the defaults for every setting that matters.
  private let describe: @Sendable (ConfigReader) throws -> DecoderDescription

  static let all: [ModelFamily] = [
    deepSeekV3, deepSeekV32, deepSeekV4, kimiK2, glm4MoELite, glmMoEDSA, sarvamMLA, mistral4, deepSeekV2, qwen3MoE,
    qwen2MoE, mixtral, miniMaxM2, olmoe, glm4MoE, solarOpen, sarvamMoE, bailingMoEV2, bailingMoE, dots1, hunyuanV3,
    exaoneMoE, ernie45MoE, gptOSS, llama, qwen2, qwen3, qwen3Next, qwen35MoE, qwen35,
  ]

  init(
    _ name: String, defaults: String, nullable: Set<String> = [], names: PublishedNames = .standard,
    read: @escaping @Sendable (ConfigReader) throws -> DecoderDescription
  ) {
    self.name = name
    self.defaults = defaults
    self.nullable = nullable.union(Self.nullableEverywhere)
    self.names = names
    describe = read
  }

  /// Throws for a name that no family has.
  static func named(_ name: String) throws(ModelError) -> ModelFamily {
    guard let family = all.first(where: { $0.name == name }) else {
      throw .unsupportedArchitecture(name, known: ModelConfiguration.supportedFamilies)
    }
    return family
  }

  /// The same under another name.
  func renamed(_ name: String) -> ModelFamily {
    ModelFamily(name, defaults: defaults, nullable: nullable, names: names, read: describe)
  }

  /// No sliding window, a full query projection, and the like.
  private static let nullableEverywhere: Set<String> = [
    "q_lora_rank", "sliding_window", "layer_types", "mlp_only_layers", "clip_qkv", "partial_rotary_factor",
  ]

  /// Throws `ModelError` or `CheckpointError` naming the key at fault.
  func read(_ config: ConfigReader) throws -> DecoderDescription {
    let values = try JSONValue(parsing: defaults).object ?? JSONObject()
    let config = config.taking(ConfigDefaults(values, nullable: nullable))
    let activation = try config.string("hidden_act")
    guard activation == "silu" || activation == "swiglu" else {
      throw ModelError.unsupported(key: "hidden_act", value: activation, remedy: "only silu is")
    }
    var description = try describe(config)
    description.names = names.fitted(to: description)
    description.unreadSettings = UnreadSettings.of(config)
    return description
  }
}
