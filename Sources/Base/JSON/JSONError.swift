/// Why a text is not acceptable JSON, and where.
package enum JSONError: Error, Equatable, CustomStringConvertible {
  case tooLarge(byteCount: Int, limit: Int)
  case tooDeep(offset: Int, limit: Int)
  case unexpected(found: String, offset: Int, expected: String)
  case duplicateKey(String, offset: Int)
  case invalidUTF8(offset: Int)
  case loneSurrogate(offset: Int)
  case unescapedControl(offset: Int)
  case trailingBytes(offset: Int)

  package var description: String {
    switch self {
    case .tooLarge(let count, let limit): "JSON of \(count) bytes is larger than the limit of \(limit)"
    case .tooDeep(let offset, let limit): "JSON nests deeper than \(limit) levels at byte \(offset)"
    case .unexpected(let found, let offset, let expected):
      "JSON has \(found) at byte \(offset) where \(expected) should be"
    case .duplicateKey(let key, let offset): "JSON object has the key \"\(key)\" twice, again at byte \(offset)"
    case .invalidUTF8(let offset): "JSON string at byte \(offset) is not valid UTF-8"
    case .loneSurrogate(let offset): "JSON string at byte \(offset) escapes half a surrogate pair"
    case .unescapedControl(let offset): "JSON string has an unescaped control character at byte \(offset)"
    case .trailingBytes(let offset): "JSON has bytes after its end, at byte \(offset)"
    }
  }
}
