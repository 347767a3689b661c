import Bytes

/// Reasoning in the form of `encrypted_content`, for clients that send nothing else back. Nothing is secret in it: it
/// is the text itself, as hexadecimal digits after a word.
enum SealedReasoning {
  private static let prefix = "martinet-reasoning:"

  static func seal(_ text: String) -> String { prefix + Digits.hexadecimal(text.utf8) }

  /// Nil for what was sealed elsewhere.
  static func text(_ sealed: String) -> String? {
    guard sealed.hasPrefix(prefix), let bytes = Digits.bytes(hexadecimal: sealed.utf8.dropFirst(prefix.utf8.count)),
      !bytes.isEmpty
    else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }
}
