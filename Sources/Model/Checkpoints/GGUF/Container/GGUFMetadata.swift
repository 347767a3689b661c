import JSON

/// The keys and values of a GGUF header, read with their types and ranges checked; errors name file and key.
struct GGUFMetadata: Sendable {
  /// Of a list that is taken apart, such as that of tokens.
  static let entryLimit = 1 << 22

  let path: String
  /// In the order of the file.
  private(set) var keys: [String] = []
  private var values: [ExactString: GGUFValue] = [:]
  /// The header's bytes, which strings and arrays are places in.
  private var bytes: [UInt8] = []

  init(path: String) { self.path = path }

  /// Adds a value; false where the key is there already.
  mutating func insert(_ key: String, _ value: GGUFValue) -> Bool {
    guard values.updateValue(value, forKey: ExactString(key)) == nil else { return false }
    keys.append(key)
    return true
  }

  mutating func keep(_ bytes: [UInt8]) { self.bytes = bytes }

  subscript(key: String) -> GGUFValue? { values[ExactString(key)] }

  func problem(_ problem: GGUFProblem) -> CheckpointError { .gguf(path: path, byte: nil, problem) }

  func wrongType(_ key: String, _ value: GGUFValue, _ expected: String) -> CheckpointError {
    problem(.wrongType(key: key, found: value.kind, expected: expected))
  }

  func outOfRange<Bound>(_ key: String, _ found: some Any, _ range: ClosedRange<Bound>) -> CheckpointError {
    problem(.outOfRange(key: key, found: "\(found)", lower: "\(range.lowerBound)", upper: "\(range.upperBound)"))
  }

  func int(_ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
    switch self[key] {
    case nil: return nil
    case .integer(let value)?:
      guard range.contains(value) else { throw outOfRange(key, value, range) }
      return value
    case .unsigned(let value)?: throw outOfRange(key, value, range)
    case let other?: throw wrongType(key, other, "an integer")
    }
  }

  func bool(_ key: String) throws(CheckpointError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard case .bool(let bool) = value else { throw wrongType(key, value, "a boolean") }
    return bool
  }

  /// A number as JSON spells it: one of 32 bits in its shortest spelling, in which configurations had it.
  func number(_ key: String, in range: ClosedRange<Double>) throws(CheckpointError) -> JSONNumber? {
    let number: JSONNumber?
    switch self[key] {
    case nil: return nil
    case .float32(let value)?: number = JSONNumber(value)
    case .float64(let value)?: number = JSONNumber(value)
    case .integer(let value)?: number = JSONNumber(value)
    case let other?: throw wrongType(key, other, "a number")
    }
    guard let number, range.contains(number.double) else {
      throw outOfRange(key, number.map { $0.text } ?? "no finite number", range)
    }
    return number
  }

  func string(_ key: String) throws(CheckpointError) -> String? {
    guard let value = self[key] else { return nil }
    guard case .string(let range) = value else { throw wrongType(key, value, "a string") }
    guard let text = String(validating: bytes[range], as: UTF8.self) else { throw problem(.notUTF8(quoted(key))) }
    return text
  }

  func array(_ key: String) throws(CheckpointError) -> GGUFArray? {
    guard let value = self[key] else { return nil }
    guard case .array(let array) = value else { throw wrongType(key, value, "an array") }
    return array
  }

  /// Calls `body` with the bytes of each string of an array, in order.
  func forEachString(
    _ key: String, _ body: (Int, ArraySlice<UInt8>) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard let array = try array(key) else { throw problem(.missing(key: key)) }
    guard array.type == .string else { throw wrongType(key, .array(array), "an array of strings") }
    var at = array.range.lowerBound
    for index in 0..<array.count {
      let first = at + 8
      // The scan that found the array's end went the same way.
      at = first + Int(GGUFScanner.integer(UInt64.self, bytes, at: at))
      try body(index, bytes[first..<at])
    }
  }

  /// The values of an array of numbers or booleans; the count is that of the array, which has no more than any
  /// vocabulary: a value takes forty times the byte that a file may have for it.
  func scalars(_ key: String) throws(CheckpointError) -> [GGUFValue]? {
    guard let array = try array(key) else { return nil }
    guard array.type.isFixed else { throw wrongType(key, .array(array), "an array of numbers") }
    guard array.count <= Self.entryLimit else {
      throw .tooMany(path: path, what: "entries of \(quoted(key))", limit: Self.entryLimit)
    }
    let width = array.type.leastByteCount
    return (0..<array.count).map { GGUFValue.scalar(array.type, bytes, at: array.range.lowerBound + $0 * width) }
  }
}
