/// What a JSON text may cost its reader.
package struct JSONLimits: Sendable {
  package var byteCount: Int
  package var depth: Int
  /// Takes `NaN`, `Infinity` and `-Infinity` for numbers, as Python's reader and writer do; their `double` says what
  /// they are.
  package var allowsNonFinite: Bool
  /// Texts of at most `byteCount` bytes, lists and objects nested at most `depth` deep.
  package init(byteCount: Int = 256 << 20, depth: Int = 128, allowsNonFinite: Bool = false) {
    (self.byteCount, self.depth, self.allowsNonFinite) = (byteCount, depth, allowsNonFinite)
  }
}

extension JSONValue {
  /// Parses RFC 8259 JSON strictly: one value, valid UTF-8, no duplicate keys, bounded size and depth.
  package init(parsing bytes: some Collection<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
    guard bytes.count <= limits.byteCount else { throw .tooLarge(byteCount: bytes.count, limit: limits.byteCount) }
    var parser = JSONParser(
      bytes: Array(bytes), depthLimit: limits.depth, allowsNonFinite: limits.allowsNonFinite)
    self = try parser.parseDocument()
  }

  package init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
    try self.init(parsing: text.utf8, limits: limits)
  }
}

/// A recursive-descent parser. Each of its looks at a byte is checked, in an optimised build too.
private struct JSONParser {
  let bytes: [UInt8]
  let depthLimit: Int
  let allowsNonFinite: Bool
  var at = 0

  init(bytes: [UInt8], depthLimit: Int, allowsNonFinite: Bool) {
    (self.bytes, self.depthLimit, self.allowsNonFinite) = (bytes, depthLimit, allowsNonFinite)
  }

  mutating func parseDocument() throws(JSONError) -> JSONValue {
    let value = try parseValue(depth: 0)
    skipWhitespace()
    guard at == bytes.count else { throw .trailingBytes(offset: at) }
    return value
  }

  private mutating func skipWhitespace() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
      at += 1
    }
  }

  private func unexpected(_ expected: String) -> JSONError {
    guard at < bytes.count else { return .unexpected(found: "its end", offset: at, expected: expected) }
    let byte = bytes[at]
    let shown = byte >= 0x21 && byte < 0x7F ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
    return .unexpected(found: shown, offset: at, expected: expected)
  }

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
    skipWhitespace()
    guard at < bytes.count else { throw unexpected("a value") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return try parseObject(depth: depth + 1)
    case UInt8(ascii: "["): return try parseArray(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "N") where allowsNonFinite: return try parseWord("NaN", .number(JSONNumber(text: "NaN")))
    case UInt8(ascii: "I") where allowsNonFinite:
      return try parseWord("Infinity", .number(JSONNumber(text: "Infinity")))
    case UInt8(ascii: "-") where allowsNonFinite && at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "I"):
      return try parseWord("-Infinity", .number(JSONNumber(text: "-Infinity")))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
    default: throw unexpected("a value")
    }
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for i in 0..<word.utf8CodeUnitCount {
      guard at < bytes.count, unsafe bytes[at] == word.utf8Start[i] else { throw unexpected("\(word)") }
      at += 1
    }
    return value
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= depthLimit else { throw .tooDeep(offset: at, limit: depthLimit) }
    at += 1
    var object = JSONObject()
    skipWhitespace()
    if at < bytes.count, bytes[at] == UInt8(ascii: "}") {
      at += 1
      return .object(object)
    }
    while true {
      skipWhitespace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw unexpected("a key") }
      let keyOffset = at
      let key = try parseString()
      skipWhitespace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw unexpected("':'") }
      at += 1
      let value = try parseValue(depth: depth)
      guard object.insertNew(key, value) else { throw .duplicateKey(key, offset: keyOffset) }
      skipWhitespace()
      guard at < bytes.count else { throw unexpected("',' or '}'") }
      if bytes[at] == UInt8(ascii: "}") {
        at += 1
        return .object(object)
      }
      guard bytes[at] == UInt8(ascii: ",") else { throw unexpected("',' or '}'") }
      at += 1
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= depthLimit else { throw .tooDeep(offset: at, limit: depthLimit) }
    at += 1
    var array: [JSONValue] = []
    skipWhitespace()
    if at < bytes.count, bytes[at] == UInt8(ascii: "]") {
      at += 1
      return .array(array)
    }
    while true {
      array.append(try parseValue(depth: depth))
      skipWhitespace()
      guard at < bytes.count else { throw unexpected("',' or ']'") }
      if bytes[at] == UInt8(ascii: "]") {
        at += 1
        return .array(array)
      }
      guard bytes[at] == UInt8(ascii: ",") else { throw unexpected("',' or ']'") }
      at += 1
    }
  }

  private mutating func parseNumber() throws(JSONError) -> JSONNumber {
    let start = at
    func isDigit(_ i: Int) -> Bool { i < bytes.count && bytes[i] >= 48 && bytes[i] <= 57 }
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    guard isDigit(at) else { throw unexpected("a digit") }
    if bytes[at] == UInt8(ascii: "0") { at += 1 } else { while isDigit(at) { at += 1 } }
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      at += 1
      guard isDigit(at) else { throw unexpected("a digit") }
      while isDigit(at) { at += 1 }
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      guard isDigit(at) else { throw unexpected("a digit") }
      while isDigit(at) { at += 1 }
    }
    return JSONNumber(text: String(decoding: bytes[start..<at], as: UTF8.self))
  }

  private mutating func parseString() throws(JSONError) -> String {
    let start = at
    at += 1
    let plainStart = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 {
      at += 1
    }
    if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
      let plain = bytes[plainStart..<at]
      at += 1
      guard let text = String(validating: plain, as: UTF8.self) else { throw .invalidUTF8(offset: start) }
      return text
    }
    var decoded = Array(bytes[plainStart..<at])
    while true {
      guard at < bytes.count else { throw unexpected("the end of a string") }
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        guard let text = String(validating: decoded, as: UTF8.self) else { throw .invalidUTF8(offset: start) }
        return text
      case UInt8(ascii: "\\"):
        at += 1
        try parseEscape(into: &decoded)
      case 0..<0x20: throw .unescapedControl(offset: at)
      default:
        decoded.append(byte)
        at += 1
      }
    }
  }

  private mutating func parseEscape(into decoded: inout [UInt8]) throws(JSONError) {
    guard at < bytes.count else { throw unexpected("an escape") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(byte)
    case UInt8(ascii: "b"): decoded.append(0x08)
    case UInt8(ascii: "f"): decoded.append(0x0C)
    case UInt8(ascii: "n"): decoded.append(0x0A)
    case UInt8(ascii: "r"): decoded.append(0x0D)
    case UInt8(ascii: "t"): decoded.append(0x09)
    case UInt8(ascii: "u"):
      let offset = at - 2
      var scalar = UInt32(try parseHex4())
      if scalar >= 0xD800 && scalar < 0xDC00 {
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
          throw .loneSurrogate(offset: offset)
        }
        at += 2
        let low = UInt32(try parseHex4())
        guard low >= 0xDC00 && low < 0xE000 else { throw .loneSurrogate(offset: offset) }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let valid = Unicode.Scalar(scalar) else { throw .loneSurrogate(offset: offset) }
      decoded.append(contentsOf: valid.utf8)
    default:
      at -= 1
      throw unexpected("an escape")
    }
  }

  private mutating func parseHex4() throws(JSONError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard at < bytes.count else { throw unexpected("a hexadecimal digit") }
      let byte = bytes[at]
      let digit: UInt8
      switch byte {
      case 48...57: digit = byte - 48
      case 65...70: digit = byte - 55
      case 97...102: digit = byte - 87
      default: throw unexpected("a hexadecimal digit")
      }
      value = value << 4 | UInt16(digit)
      at += 1
    }
    return value
  }
}
