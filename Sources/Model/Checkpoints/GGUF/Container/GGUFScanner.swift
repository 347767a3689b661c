/// Reads a GGUF header from front to back: a file's bytes are fetched as they are needed, and none beyond a limit.
///
/// All numbers are little-endian. Each is checked against what is left of the file before anything is done with it.
struct GGUFScanner {
  private static let step = 1 << 20
  let file: InputFile
  /// The bytes fetched so far, from the file's first.
  private(set) var bytes: [UInt8] = []
  /// Where the next value begins.
  private(set) var position = 0
  private let limit: Int

  /// `limit`: bytes that a header may have.
  init(_ file: InputFile, limit: Int) { (self.file, self.limit) = (file, limit) }

  /// Bytes that the file has from here on.
  var rest: Int { file.byteCount - position }

  func problem(_ problem: GGUFProblem) -> CheckpointError { .gguf(path: file.path, byte: position, problem) }

  /// Sees to it that the next `count` bytes are there; `what` they are part of, for messages.
  private mutating func need(_ count: Int, _ what: @autoclosure () -> String) throws(CheckpointError) {
    guard count <= rest else { throw problem(.endsInside(what())) }
    guard count <= limit - position else { throw problem(.headerTooLong(limit: limit)) }
    let end = position + count
    guard end > bytes.count else { return }
    // In steps that grow, as appending does.
    let wanted = min(max(end, bytes.count + max(Self.step, bytes.count)), min(file.byteCount, limit))
    bytes += try file.bytes(at: bytes.count, count: wanted - bytes.count)
  }

  /// Steps over `count` bytes and gives their place.
  mutating func skip(_ count: Int, _ what: @autoclosure () -> String) throws(CheckpointError) -> Range<Int> {
    try need(count, what())
    position += count
    return (position - count)..<position
  }

  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type, _ what: @autoclosure () -> String
  ) throws(CheckpointError) -> Value {
    let range = try skip(MemoryLayout<Value>.size, what())
    return Self.integer(type, bytes, at: range.lowerBound)
  }

  /// The integer at `position` of `bytes`, which has all of it.
  static func integer<Value: FixedWidthInteger>(_ type: Value.Type, _ bytes: [UInt8], at position: Int) -> Value {
    bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self)) }
  }

  /// A count of things each of which takes at least `leastByteCount` bytes of what follows.
  mutating func count(_ what: String, leastByteCount: Int, limit: Int) throws(CheckpointError) -> Int {
    let found = try integer(UInt64.self, "the count of \(what)")
    guard let count = Int(exactly: found), count <= limit else {
      throw problem(.tooMany(what, found: found, limit: limit))
    }
    guard count <= rest / leastByteCount else { throw problem(.endsInside("\(what), of which it declares \(count)")) }
    return count
  }

  /// Steps over a string (its length and its bytes) and gives the place of its bytes.
  mutating func string(_ what: @autoclosure () -> String) throws(CheckpointError) -> Range<Int> {
    let length = try integer(UInt64.self, what())
    guard let count = Int(exactly: length), count <= rest else { throw problem(.endsInside(what())) }
    return try skip(count, what())
  }

  /// A name: not empty, of bounded length, in UTF-8.
  mutating func name(_ what: String, limit: Int) throws(CheckpointError) -> String {
    let length = try integer(UInt64.self, "the name of \(what)")
    guard length > 0 else { throw problem(.emptyName(what)) }
    guard length <= limit else { throw problem(.nameTooLong(what, byteCount: length, limit: limit)) }
    let range = try skip(Int(length), "the name of \(what)")
    guard let name = String(validating: bytes[range], as: UTF8.self) else {
      throw problem(.notUTF8("the name of \(what)"))
    }
    return name
  }
}
