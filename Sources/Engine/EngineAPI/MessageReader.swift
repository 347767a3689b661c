import JSON

/// Reads the fields of one JSON object, each with its bounds.
struct MessageReader {
  private let object: JSONObject
  /// What stands before a field's name in an error: empty at the top, `ranks[2].` within.
  private let path: String

  init(_ value: JSONValue, at name: String, path: String = "") throws(EngineAPIError) {
    guard let object = value.object else {
      throw .wrongKind(field: name, found: value.kind, expected: "an object")
    }
    (self.object, self.path) = (object, path)
  }

  func name(_ key: String) -> String { path + key }

  func has(_ key: String) -> Bool { object[key] != nil }

  func value(_ key: String) throws(EngineAPIError) -> JSONValue {
    guard let value = object[key] else { throw .missing(field: name(key)) }
    return value
  }

  func int(_ key: String, in range: ClosedRange<Int> = 0...Int.max) throws(EngineAPIError) -> Int {
    try Self.int(value(key), name(key), in: range)
  }

  func int32(_ key: String) throws(EngineAPIError) -> Int32 { try Self.token(value(key), name(key)) }

  func string(_ key: String) throws(EngineAPIError) -> String {
    let value = try value(key)
    guard let string = value.string else { throw .wrongKind(field: name(key), found: value.kind, expected: "a string") }
    return string
  }

  /// A finite number, zero or more.
  func seconds(_ key: String) throws(EngineAPIError) -> Double {
    let value = try value(key)
    guard let number = value.number else { throw .wrongKind(field: name(key), found: value.kind, expected: "a number") }
    guard number.double.isFinite, number.double >= 0 else {
      throw .outOfRange(field: name(key), value: number.text, range: "a finite number of at least 0")
    }
    return number.double
  }

  func float(_ key: String) throws(EngineAPIError) -> Float { try Self.float(value(key), name(key)) }

  /// An integer of 64 bits without sign.
  func unsigned(_ key: String) throws(EngineAPIError) -> UInt64 {
    let value = try value(key)
    guard let number = value.number else { throw .wrongKind(field: name(key), found: value.kind, expected: "a number") }
    guard let exact = UInt64(number.text), number.text.first != "-" else {
      throw .outOfRange(field: name(key), value: number.text, range: "an integer from 0 to \(UInt64.max)")
    }
    return exact
  }

  func array<T>(
    _ key: String, _ element: (JSONValue, String) throws(EngineAPIError) -> T
  ) throws(EngineAPIError) -> [T] {
    try Self.array(value(key), name(key), element)
  }

  func tokens(_ key: String) throws(EngineAPIError) -> [Int32] { try array(key, Self.token) }

  static func array<T>(
    _ value: JSONValue, _ name: String, _ element: (JSONValue, String) throws(EngineAPIError) -> T
  ) throws(EngineAPIError) -> [T] {
    guard let values = value.array else { throw .wrongKind(field: name, found: value.kind, expected: "an array") }
    var result: [T] = []
    result.reserveCapacity(values.count)
    for (index, value) in values.enumerated() { result.append(try element(value, "\(name)[\(index)]")) }
    return result
  }

  static func int(
    _ value: JSONValue, _ name: String, in range: ClosedRange<Int> = 0...Int.max
  ) throws(EngineAPIError) -> Int {
    guard let number = value.number else { throw .wrongKind(field: name, found: value.kind, expected: "an integer") }
    guard let exact = number.exactInt, range.contains(exact) else {
      throw .outOfRange(
        field: name, value: number.text, range: "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return exact
  }

  static func count(_ value: JSONValue, _ name: String) throws(EngineAPIError) -> Int { try int(value, name) }

  static func token(_ value: JSONValue, _ name: String) throws(EngineAPIError) -> Int32 {
    Int32(try int(value, name, in: 0...Int(Int32.max)))
  }

  /// A number whose shortest spelling this is, or "-inf", which JSON has no number for.
  static func float(_ value: JSONValue, _ name: String) throws(EngineAPIError) -> Float {
    if value.string == minusInfinity { return -.infinity }
    guard let number = value.number else { throw .wrongKind(field: name, found: value.kind, expected: "a number") }
    // Not by way of a Double, which would round twice.
    guard let float = Float(number.text), float.isFinite else {
      throw .outOfRange(field: name, value: number.text, range: "a finite number of 32 bits")
    }
    return float
  }
}

private let minusInfinity = "-inf"

extension JSONValue {
  /// A number of 32 bits in its shortest exact spelling; "-inf" for the logarithm of 0.
  static func exactFloat(_ value: Float) -> JSONValue { value == -.infinity ? .string(minusInfinity) : .float(value) }

  static func tokens(_ tokens: some Sequence<Int32>) -> JSONValue { .array(tokens.map { .int(Int($0)) }) }
}
