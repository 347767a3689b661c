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

  private func required(_ expected: String) throws(TokenizerError) -> JSONValue {
    guard let value else { throw failure(expected: expected) }
    return value
  }

  func string() throws(TokenizerError) -> String {
    try JSONReader<TokenizerError>.string(required("a string"), path: path)
  }

  /// nil when absent or null.
  func optionalString() throws(TokenizerError) -> String? { isAbsent ? nil : try string() }

  func bool(default fallback: Bool? = nil) throws(TokenizerError) -> Bool {
    if isAbsent, let fallback { return fallback }
    return try JSONReader<TokenizerError>.bool(required("a boolean"), path: path)
  }

  func int(in range: ClosedRange<Int>) throws(TokenizerError) -> Int {
    try JSONReader<TokenizerError>.integer(required("an integer"), path: path, in: range)
  }

  func elements(atMost limit: Int) throws(TokenizerError) -> [TokenizerField] {
    let array = try JSONReader<TokenizerError>.array(required("an array"), path: path)
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

extension TokenizerError: JSONReadingError {
  package static var takesNullForAbsent: Bool { true }

  package init(missing path: String) {
    self = .unexpectedValue(field: path, found: "missing", expected: "a value")
  }

  package init(wrongKind path: String, expected: String, found: JSONValue) {
    self = .unexpectedValue(field: path, found: found.kind, expected: expected)
  }

  package init(outOfRange path: String, expected: String, found: String) {
    self = .unexpectedValue(field: path, found: found, expected: expected)
  }
}
