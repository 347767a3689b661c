/// Reasoning in the form of `encrypted_content`, for clients that send nothing else back. Nothing is secret in it: it
/// is the text itself, as hexadecimal digits after a word.
enum SealedReasoning {
  private static let prefix = "martinet-reasoning:"
  private static let digits = Array("0123456789abcdef".utf8)

  static func seal(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 { bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return prefix + String(decoding: bytes, as: UTF8.self)
  }

  /// Nil for what was sealed elsewhere.
  static func text(_ sealed: String) -> String? {
    guard sealed.hasPrefix(prefix) else { return nil }
    let values = sealed.utf8.dropFirst(prefix.utf8.count).map { digits.firstIndex(of: $0) }
    guard values.count % 2 == 0, !values.isEmpty else { return nil }
    var bytes: [UInt8] = []
    for i in stride(from: 0, to: values.count, by: 2) {
      guard let high = values[i], let low = values[i + 1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
