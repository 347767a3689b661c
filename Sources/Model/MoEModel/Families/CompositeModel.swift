import Checkpoints
import JSON

/// A published model of several parts, such as one of text and images, whose text model is read and runs alone: its
/// settings are nested in `config.json`, under `text_config`, and its tensors' names begin in a way of their own.
///
/// The nested `model_type` names the family of the text model (`ModelFamily`), which knows nothing of this. Each is a
/// line in `all`.
package struct CompositeModel: Sendable {
  /// `model_type` of the whole in `config.json`.
  package let name: String
  /// The family where the nested settings do not name one.
  let family: String
  /// How the text model's names may begin; the first that a checkpoint has counts.
  let prefixes: [NamePrefix]
  /// How names of tensors begin that belong to the other parts.
  let otherParts: [String]
  /// Settings that are the whole model's where the text model lacks them.
  let inherits: [String]

  init(
    _ name: String, family: String, prefixes: [NamePrefix], otherParts: [String],
    inherits: [String] = ["quantization_config"]
  ) {
    (self.name, self.family, self.prefixes) = (name, family, prefixes)
    (self.otherParts, self.inherits) = (otherParts, inherits)
  }

  package static let all = [kimiK25, mistral3, qwen35MoE, qwen35]

  static let textKey = "text_config"

  static func named(_ name: String) -> CompositeModel? { all.first { $0.name == name } }

  /// Reads the text model's settings; `config` is a reader of the whole document.
  func read(_ config: ConfigReader) throws -> DecoderDescription {
    let text = try config.nested(ConfigKeys(Self.textKey)).inheriting(inherits, from: config)
    var description = try ModelFamily.named(try text.optionalString("model_type") ?? family).read(text)
    description.composite = self
    description.names.prefix = prefixes[0]
    return description
  }

  /// The part other than the text model that a tensor belongs to; nil for one that is none's.
  func otherPart(_ tensor: String) -> String? {
    otherParts.first { tensor.utf8.starts(with: $0.utf8) }.map { String($0.dropLast()) }
  }

  /// The settings of a `config.json` with what it says of quantised weights replaced, or removed, wherever it says it.
  package static func replaceQuantization(in config: inout JSONObject, with settings: JSONValue?) {
    guard let name = config["model_type"]?.string, named(name) != nil, var text = config[textKey]?.object else {
      config["quantization_config"] = settings
      return
    }
    config["quantization_config"] = nil
    text["quantization_config"] = settings
    config[textKey] = .object(text)
  }
}

extension DecoderDescription {
  /// One line about the parts of a model that are left out; nil for a text model.
  package var compositeNote: String? {
    guard let composite else { return nil }
    let parts = otherPartCounts.sorted { $0.key < $1.key }.map { "\($0.value) of \($0.key)" }
    return "of \(composite.name) the text model alone is read"
      + (parts.isEmpty ? "" : "; tensors left out: \(parts.joined(separator: ", "))")
  }
}
