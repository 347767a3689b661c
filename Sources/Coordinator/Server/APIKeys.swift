import Foundation

/// The keys of which a request must carry one.
package struct APIKeys: Sendable {
  static let byteLimit = 1 << 20
  static let keyByteLimit = 1024

  private let keys: [[UInt8]]

  package var isEmpty: Bool { keys.isEmpty }

  package init(_ keys: [String] = []) { self.keys = keys.map { Array($0.utf8) } }

  /// The keys of a file: one a line; blank lines and lines that start with # count for nothing.
  package init(file path: String) throws(CoordinatorError) {
    let bytes: Data
    do {
      guard let handle = FileHandle(forReadingAtPath: path) else {
        throw CoordinatorError.unreadableKeys(path: path, reason: "it is not there, or may not be read")
      }
      defer { try? handle.close() }
      bytes = try handle.read(upToCount: Self.byteLimit + 1) ?? Data()
    } catch let error as CoordinatorError {
      throw error
    } catch { throw .unreadableKeys(path: path, reason: "\(error.localizedDescription)") }
    guard bytes.count <= Self.byteLimit else {
      throw .unreadableKeys(path: path, reason: "it has more than \(Self.byteLimit) bytes")
    }
    var keys: [[UInt8]] = []
    for (index, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      let blanks: Set<UInt8> = [9, 13, 32]
      let key = Array(line.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed())
      if key.isEmpty || key[0] == UInt8(ascii: "#") { continue }
      guard key.allSatisfy({ (33...126).contains($0) }) else {
        throw .malformedKey(path: path, line: index + 1, reason: "a key is printable ASCII without spaces")
      }
      guard key.count <= Self.keyByteLimit else {
        throw .malformedKey(path: path, line: index + 1, reason: "a key has at most \(Self.keyByteLimit) bytes")
      }
      keys.append(key)
    }
    guard !keys.isEmpty else { throw .noKeys(path: path) }
    self.keys = keys
  }

  /// Whether an `Authorization` header carries one of the keys, or none is needed.
  ///
  /// Takes a time that depends on the length of what was sent and of the keys, not on how much of it is right.
  func admit(authorization: String?) -> Bool {
    if keys.isEmpty { return true }
    let scheme = Array("bearer ".utf8)
    let bytes = Array((authorization ?? "").utf8)
    guard bytes.count > scheme.count, zip(bytes, scheme).allSatisfy({ $0 | 0x20 == $1 }) else { return false }
    let given = Array(bytes[scheme.count...].drop { $0 == 32 })
    var isKnown = false
    for key in keys { isKnown = Self.areEqual(given, key) || isKnown }
    return isKnown
  }

  private static func areEqual(_ given: [UInt8], _ key: [UInt8]) -> Bool {
    var difference = UInt(bitPattern: given.count ^ key.count)
    for (i, byte) in key.enumerated() { difference |= UInt(byte ^ (i < given.count ? given[i] : 0)) }
    return difference == 0
  }
}
