/// The keys of which a request must carry one.
package struct APIKeys: Sendable, Equatable {
  static let keyByteLimit = 1024

  private struct Key: Sendable, Equatable {
    let bytes: [UInt8]
    /// What the log says in its stead.
    let label: String
  }

  /// What a request's header is worth.
  enum Admission: Equatable {
    case notNeeded
    /// One of the keys, which has this label.
    case known(label: String)
    case unknown
  }

  private var keys: [Key]

  package var isEmpty: Bool { keys.isEmpty }
  var count: Int { keys.count }

  package init(_ keys: [String] = []) {
    self.keys = keys.enumerated().map { Key(bytes: Array($1.utf8), label: "key-\($0 + 1)") }
  }

  /// The keys of a variable's value, apart by blanks or commas.
  package init(variable name: String, _ value: String) throws(ServerError) {
    let keys = value.split { $0 == "," || $0.isWhitespace }.map(String.init)
    guard !keys.isEmpty else { throw .noKeys(path: name) }
    for (i, key) in keys.enumerated() {
      if let fault = Self.fault(Array(key.utf8)) { throw .malformedKey(path: name, line: i + 1, reason: fault) }
    }
    self.init(keys)
  }

  /// The keys of a file: one a line, and after it, where it is wanted, ` # ` and a label for the log. Blank lines and
  /// lines that start with # count for nothing.
  package init(file path: String) throws(ServerError) {
    let bytes: [UInt8]
    do throws(SmallFile.Failure) { bytes = try SmallFile.bytes(path) } catch {
      throw .unreadableKeys(path: path, reason: error.reason)
    }
    keys = []
    for (index, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      let line = Self.trimmed(line)
      if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
      var (key, label) = (line, [UInt8]()[...])
      if let mark = line.firstRange(of: Array(" #".utf8)) {
        (key, label) = (Self.trimmed(line[..<mark.lowerBound]), Self.trimmed(line[mark.upperBound...]))
      }
      if let fault = Self.fault(Array(key)) { throw .malformedKey(path: path, line: index + 1, reason: fault) }
      guard label.count <= 64, label.allSatisfy({ (32...126).contains($0) }) else {
        throw .malformedKey(path: path, line: index + 1, reason: "a label is at most 64 printable ASCII characters")
      }
      let name = label.isEmpty ? "key-\(keys.count + 1)" : String(decoding: label, as: UTF8.self)
      keys.append(Key(bytes: Array(key), label: name))
    }
    guard !keys.isEmpty else { throw .noKeys(path: path) }
  }

  /// These and those of `others`.
  func merging(_ others: APIKeys) -> APIKeys {
    var all = self
    all.keys += others.keys
    return all
  }

  private static func fault(_ key: [UInt8]) -> String? {
    if !key.allSatisfy({ (33...126).contains($0) }) { return "a key is printable ASCII without spaces" }
    return key.count > keyByteLimit ? "a key has at most \(keyByteLimit) bytes" : nil
  }

  private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = line
    while let first = rest.first, [9, 13, 32].contains(first) { rest = rest.dropFirst() }
    while let last = rest.last, [9, 13, 32].contains(last) { rest = rest.dropLast() }
    return rest
  }

  /// Whether an `Authorization` header carries one of the keys, or none is needed.
  ///
  /// Takes a time that depends on the length of what was sent and of the keys, not on how much of it is right.
  func admit(authorization: String?) -> Admission {
    if keys.isEmpty { return .notNeeded }
    let scheme = Array("bearer ".utf8)
    let bytes = Array((authorization ?? "").utf8)
    guard bytes.count > scheme.count, zip(bytes, scheme).allSatisfy({ $0 | 0x20 == $1 }) else { return .unknown }
    let given = Array(bytes[scheme.count...].drop { $0 == 32 })
    var found: Int?
    for (i, key) in keys.enumerated() { found = Self.areEqual(given, key.bytes) ? i : found }
    return found.map { .known(label: keys[$0].label) } ?? .unknown
  }

  private static func areEqual(_ given: [UInt8], _ key: [UInt8]) -> Bool {
    var difference = UInt(bitPattern: given.count ^ key.count)
    for (i, byte) in key.enumerated() { difference |= UInt(byte ^ (i < given.count ? given[i] : 0)) }
    return difference == 0
  }
}
