import Checkpoints

/// How a checkpoint's names begin: those of the text model's body, which are `model.` in most, and those beside it,
/// such as the head's.
package struct NamePrefix: Sendable, Hashable {
  /// In the place of `model.`.
  package let body: String
  /// Before names that do not begin with `model.`.
  package let beside: String

  package init(body: String, beside: String = "") { (self.body, self.beside) = (body, beside) }

  /// `model.layers.…`, `lm_head.…`
  package static let standard = NamePrefix(body: "model.")
  /// `layers.…`: a base model that was saved alone.
  package static let none = NamePrefix(body: "")
  /// `language_model.model.layers.…`, `language_model.lm_head.…`
  package static let languageModel = NamePrefix(body: "language_model.model.", beside: "language_model.")
  /// `model.language_model.layers.…`, `lm_head.…`
  package static let modelLanguageModel = NamePrefix(body: "model.language_model.")

  /// The name of which `name` is the standard form.
  func applied(to name: String) -> String {
    guard self != .standard else { return name }
    return DottedName(name).after("model").map { body + $0 } ?? beside + name
  }
}
