/// The types of GGUF's metadata, by their number in files.
enum GGUFValueType: UInt32, Sendable {
  case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// Bytes of one value; for strings and arrays of the shortest.
  var leastByteCount: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }

  var isFixed: Bool { self != .string && self != .array }

  /// What a message calls such a value.
  var name: String {
    switch self {
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: "an integer"
    case .float32, .float64: "a number"
    case .bool: "a boolean"
    case .string: "a string"
    case .array: "an array"
    }
  }
}

/// A value of the metadata; strings and arrays are places in the header's bytes.
enum GGUFValue: Sendable {
  case integer(Int)
  /// One above `Int.max`.
  case unsigned(UInt64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(Range<Int>)
  case array(GGUFArray)

  /// What a message calls it.
  var kind: String {
    switch self {
    case .integer, .unsigned: "an integer"
    case .float32, .float64: "a number"
    case .bool: "a boolean"
    case .string: "a string"
    case .array(let array): "an array of \(array.type.name.split(separator: " ").last.map { "\($0)s" } ?? "values")"
    }
  }
}

/// An array of the metadata: `count` elements of `type`, whose bytes are `range` of the header.
struct GGUFArray: Sendable {
  let type: GGUFValueType
  let count: Int
  let range: Range<Int>
}

extension GGUFValue {
  private static let nestingLimit = 4

  /// Reads the value of `key`, from its type on.
  static func read(_ scanner: inout GGUFScanner, key: String) throws(CheckpointError) -> GGUFValue {
    let type = try type(&scanner, key: key)
    return try read(type, &scanner, key: key)
  }

  private static func type(_ scanner: inout GGUFScanner, key: String) throws(CheckpointError) -> GGUFValueType {
    let number = try scanner.integer(UInt32.self, "the type of \(quoted(key))")
    guard let type = GGUFValueType(rawValue: number) else { throw scanner.problem(.valueType(key: key, type: number)) }
    return type
  }

  private static func read(
    _ type: GGUFValueType, _ scanner: inout GGUFScanner, key: String
  ) throws(CheckpointError) -> GGUFValue {
    let what = quoted(key)
    switch type {
    case .string: return .string(try scanner.string(what))
    case .array: return .array(try array(&scanner, key: key, depth: 0))
    default:
      let range = try scanner.skip(type.leastByteCount, what)
      let value = scalar(type, scanner.bytes, at: range.lowerBound)
      if type == .bool, scanner.bytes[range.lowerBound] > 1 {
        throw scanner.problem(.notBoolean(key: key, byte: scanner.bytes[range.lowerBound]))
      }
      return value
    }
  }

  /// Steps over an array, element by element where they are not all of one size.
  private static func array(
    _ scanner: inout GGUFScanner, key: String, depth: Int
  ) throws(CheckpointError) -> GGUFArray {
    guard depth < nestingLimit else { throw scanner.problem(.nesting(key: key, limit: nestingLimit)) }
    let type = try type(&scanner, key: key)
    let count = try scanner.count("entries of \(quoted(key))", leastByteCount: type.leastByteCount, limit: .max)
    let first = scanner.position
    switch type {
    case .string: for _ in 0..<count { _ = try scanner.string(quoted(key)) }
    case .array: for _ in 0..<count { _ = try array(&scanner, key: key, depth: depth + 1) }
    // The count was held against what is left: no overflow.
    default: _ = try scanner.skip(count * type.leastByteCount, quoted(key))
    }
    return GGUFArray(type: type, count: count, range: first..<scanner.position)
  }

  /// The number or boolean at `position`.
  static func scalar(_ type: GGUFValueType, _ bytes: [UInt8], at position: Int) -> GGUFValue {
    switch type {
    case .uint8: .integer(Int(bytes[position]))
    case .int8: .integer(Int(Int8(bitPattern: bytes[position])))
    case .uint16: .integer(Int(GGUFScanner.integer(UInt16.self, bytes, at: position)))
    case .int16: .integer(Int(GGUFScanner.integer(Int16.self, bytes, at: position)))
    case .uint32: .integer(Int(GGUFScanner.integer(UInt32.self, bytes, at: position)))
    case .int32: .integer(Int(GGUFScanner.integer(Int32.self, bytes, at: position)))
    case .int64: .integer(Int(GGUFScanner.integer(Int64.self, bytes, at: position)))
    case .uint64: unsigned64(GGUFScanner.integer(UInt64.self, bytes, at: position))
    case .float32: .float32(Float(bitPattern: GGUFScanner.integer(UInt32.self, bytes, at: position)))
    case .float64: .float64(Double(bitPattern: GGUFScanner.integer(UInt64.self, bytes, at: position)))
    case .bool, .string, .array: .bool(bytes[position] != 0)
    }
  }

  private static func unsigned64(_ value: UInt64) -> GGUFValue {
    Int(exactly: value).map { .integer($0) } ?? .unsigned(value)
  }
}
