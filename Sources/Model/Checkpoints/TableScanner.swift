import JSON

/// A forward reader of the JSON that tensor tables (headers and indexes) are written in.
///
/// It builds no document: what a table costs is what its entries cost, however strange its JSON, and folders of
/// 100,000 tensors open quickly. Strings with escapes, and values of no interest, go through the strict `JSONValue`.
struct TableScanner {
  let bytes: [UInt8]
  let path: String
  /// Position of `bytes[0]` in the file.
  let base: Int
  private(set) var at = 0

  init(_ bytes: [UInt8], path: String, base: Int = 0) { (self.bytes, self.path, self.base) = (bytes, path, base) }

  /// Position in the file of the byte to be read next.
  var position: Int { base + at }

  var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  func unexpected(_ expected: String) -> CheckpointError {
    let found: String
    if let byte = next {
      found = byte > 0x20 && byte < 0x7F ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
    } else {
      found = "its end"
    }
    return .syntax(path: path, byte: position, found: found, expected: expected)
  }

  mutating func skipWhitespace() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
      at += 1
    }
  }

  /// Skips spaces only: a header's padding.
  mutating func skipSpaces() {
    while at < bytes.count, bytes[at] == 0x20 { at += 1 }
  }

  mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    at += 1
    return true
  }

  /// Reads an object from its `{`, calling `body` with each key and the key's position, the scanner at the value.
  mutating func object(
    _ body: (inout TableScanner, String, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard take(UInt8(ascii: "{")) else { throw unexpected("'{'") }
    skipWhitespace()
    if take(UInt8(ascii: "}")) { return }
    while true {
      let keyPosition = position
      let key = try string("a name")
      skipWhitespace()
      guard take(UInt8(ascii: ":")) else { throw unexpected("':'") }
      skipWhitespace()
      try body(&self, key, keyPosition)
      skipWhitespace()
      if take(UInt8(ascii: "}")) { return }
      guard take(UInt8(ascii: ",")) else { throw unexpected("',' or '}'") }
      skipWhitespace()
    }
  }

  /// Reads an array of integers ≥ 0; nil, with no promise where the scanner stands, when there are more than `limit`.
  mutating func counts(limit: Int) throws(CheckpointError) -> [Int]? {
    guard take(UInt8(ascii: "[")) else { throw unexpected("'['") }
    var counts: [Int] = []
    skipWhitespace()
    if take(UInt8(ascii: "]")) { return counts }
    while true {
      guard counts.count < limit else { return nil }
      counts.append(try count())
      skipWhitespace()
      if take(UInt8(ascii: "]")) { return counts }
      guard take(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
      skipWhitespace()
    }
  }

  /// Reads an integer in 0 ... `Int.max`, written with digits only and no leading zero.
  mutating func count() throws(CheckpointError) -> Int {
    let expected = "an integer in 0 ... 9223372036854775807"
    let start = at
    var value = 0
    while let byte = next, byte >= 48, byte <= 57 {
      let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowedAgain) = product.addingReportingOverflow(Int(byte - 48))
      guard !overflowed, !overflowedAgain, at == start || bytes[start] != 48 else { throw unexpected(expected) }
      value = sum
      at += 1
    }
    guard at > start, next != UInt8(ascii: "."), next != UInt8(ascii: "e"), next != UInt8(ascii: "E") else {
      throw unexpected(expected)
    }
    return value
  }

  mutating func string(_ expected: String) throws(CheckpointError) -> String {
    guard next == UInt8(ascii: "\"") else { throw unexpected(expected) }
    let start = at
    at += 1
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { at += 1 }
    if next == UInt8(ascii: "\"") {
      at += 1
      let inside = (start + 1)..<(at - 1)
      let text = bytes.withUnsafeBufferPointer { buffer in
        String(validating: UnsafeBufferPointer(rebasing: buffer[inside]), as: UTF8.self)
      }
      guard let text else { throw .json(path: path, byte: base + start, .invalidUTF8(offset: 0)) }
      return text
    }
    at = start
    guard let text = try value(limit: bytes.count).string else { throw unexpected(expected) }
    return text
  }

  /// Reads any value of at most `limit` bytes with the strict parser.
  mutating func value(limit: Int) throws(CheckpointError) -> JSONValue {
    let start = at
    let end = endOfValue()
    guard end - start <= limit else {
      throw .json(path: path, byte: base + start, .tooLarge(byteCount: end - start, limit: limit))
    }
    at = end
    do throws(JSONError) { return try JSONValue(parsing: bytes[start..<end]) } catch {
      throw .json(path: path, byte: base + start, error)
    }
  }

  /// Where the value that begins here ends, if it is one; the strict parser judges that.
  private func endOfValue() -> Int {
    var depth = 0
    var i = at
    while i < bytes.count {
      switch bytes[i] {
      case UInt8(ascii: "\""):
        i += 1
        while i < bytes.count, bytes[i] != UInt8(ascii: "\"") { i += bytes[i] == UInt8(ascii: "\\") ? 2 : 1 }
        i = min(i + 1, bytes.count)
        if depth == 0 { return i }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return i }
        depth -= 1
        if depth == 0 { return i + 1 }
      case UInt8(ascii: ","):
        if depth == 0 { return i }
      default: break
      }
      i += 1
    }
    return bytes.count
  }
}
