import JSON

/// A member of the tokenizer's JSON with its path, for errors that name it.
struct TokenizerField {
  let value: JSONValue?
  let path: String

  subscript(key: String) -> TokenizerField { TokenizerField(value: value?[key], path: "\(path).\(key)") }

  var isAbsent: Bool { value == nil || value == .null }

  func failure(expected: String) -> TokenizerError {
    .unexpectedValue(field: path, found: value?.kind ?? "missing", expected: expected)
  }

  func string() throws(TokenizerError) -> String {
    guard let string = value?.string else { throw failure(expected: "a string") }
    return string
  }

  /// nil when absent or null.
  func optionalString() throws(TokenizerError) -> String? { isAbsent ? nil : try string() }

  func bool(default fallback: Bool? = nil) throws(TokenizerError) -> Bool {
    if isAbsent, let fallback { return fallback }
    guard let bool = value?.bool else { throw failure(expected: "true or false") }
    return bool
  }

  func int(in range: ClosedRange<Int>) throws(TokenizerError) -> Int {
    guard let int = value?.exactInt, range.contains(int) else {
      throw .unexpectedValue(
        field: path, found: value?.number?.text ?? value?.kind ?? "missing",
        expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return int
  }

  func elements(atMost limit: Int) throws(TokenizerError) -> [TokenizerField] {
    guard let array = value?.array else { throw failure(expected: "an array") }
    guard array.count <= limit else { throw .limitExceeded(field: path, value: array.count, limit: limit) }
    return array.enumerated().map { TokenizerField(value: $1, path: "\(path)[\($0)]") }
  }

  /// A string of exactly one Unicode scalar.
  func scalar() throws(TokenizerError) -> Unicode.Scalar {
    let string = try string()
    guard let scalar = string.unicodeScalars.first, string.unicodeScalars.count == 1 else {
      throw .unexpectedValue(field: path, found: "\"\(string)\"", expected: "one character")
    }
    return scalar
  }

  /// `{"String": …}` or `{"Regex": …}`.
  func textPattern() throws(TokenizerError) -> TextPattern {
    if let literal = value?["String"]?.string { return try TextPattern(literal: literal, field: path) }
    if let source = value?["Regex"]?.string { return .regex(try CompiledPattern(source: source, field: path)) }
    throw failure(expected: "an object with a \"String\" or a \"Regex\"")
  }
}
