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
    config["quantization_config"] = nil
    changeText(of: &config) { $0["quantization_config"] = settings }
  }

  /// Changes what a `config.json` says of the text model: all of it, where that is the whole model.
  private static func changeText(of config: inout JSONObject, _ change: (inout JSONObject) -> Void) {
    guard let name = config["model_type"]?.string, named(name) != nil, var text = config[textKey]?.object else {
      return change(&config)
    }
    change(&text)
    config[textKey] = .object(text)
  }

  /// What configurations call the number of prediction modules.
  package static let moduleCountKeys = ["num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers"]

  /// The settings of a `config.json` with another number of prediction modules wherever it says one; where it says none
  /// and there are some, under the first name.
  package static func replaceModuleCount(in config: inout JSONObject, with count: Int) {
    changeText(of: &config) { text in
      let told = moduleCountKeys.filter { text[$0] != nil }
      for key in told.isEmpty && count > 0 ? [moduleCountKeys[0]] : told { text[key] = .int(count) }
    }
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
