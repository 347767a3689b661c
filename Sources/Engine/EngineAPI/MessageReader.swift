import JSON

/// Reads the fields of one object of a message between an engine and who asks it. Null is a value like others.
package typealias MessageReader = JSONReader<EngineAPIError>

extension EngineAPIError: JSONReadingError {
  package static var takesNullForAbsent: Bool { false }

  package init(missing path: String) { self = .missing(field: path) }

  package init(wrongKind path: String, expected: String, found: JSONValue) {
    self = .wrongKind(field: path, found: found.kind, expected: expected)
  }

  package init(outOfRange path: String, expected: String, found: String) {
    self = .outOfRange(field: path, value: found, range: expected)
  }
}

extension JSONReader<EngineAPIError> {
  /// The message itself, of this name.
  package init(_ message: JSONValue, of name: String) throws(EngineAPIError) {
    try self.init(message, path: "", name: name)
  }

  func token(needed name: String) throws(EngineAPIError) -> Int32 { try Self.token(required(name), path(name)) }

  func tokens(needed name: String) throws(EngineAPIError) -> [Int32] { try array(needed: name, Self.token) }

  func float(needed name: String) throws(EngineAPIError) -> Float { try Self.float(required(name), path(name)) }

  func bool(needed name: String) throws(EngineAPIError) -> Bool { try Self.bool(required(name), path: path(name)) }

  /// A finite number, zero or more.
  func seconds(needed name: String) throws(EngineAPIError) -> Double {
    let value = try required(name)
    guard let number = value.number else {
      throw .wrongKind(field: path(name), found: value.kind, expected: "a number")
    }
    guard number.double.isFinite, number.double >= 0 else {
      throw .outOfRange(field: path(name), value: number.text, range: "a finite number of at least 0")
    }
    return number.double
  }

  /// An integer of 64 bits without sign.
  func unsigned(needed name: String) throws(EngineAPIError) -> UInt64 {
    let value = try required(name)
    guard let number = value.number else {
      throw .wrongKind(field: path(name), found: value.kind, expected: "a number")
    }
    guard let exact = UInt64(number.text), number.text.first != "-" else {
      throw .outOfRange(field: path(name), value: number.text, range: "an integer from 0 to \(UInt64.max)")
    }
    return exact
  }

  /// One of these names.
  func choice<T: CaseIterable & RawRepresentable<String>>(
    _ name: String, of _: T.Type = T.self
  ) throws(EngineAPIError) -> T? {
    guard let found = try string(name) else { return nil }
    guard let known = T(rawValue: found) else {
      throw .unknownName(field: path(name), name: found, known: T.allCases.map(\.rawValue))
    }
    return known
  }

  static func count(_ value: JSONValue, _ path: String) throws(EngineAPIError) -> Int {
    try integer(value, path: path, in: 0...Int.max)
  }

  static func token(_ value: JSONValue, _ path: String) throws(EngineAPIError) -> Int32 {
    Int32(try integer(value, path: path, in: 0...Int(Int32.max)))
  }

  /// A number whose shortest spelling this is, or "-inf", which JSON has no number for.
  static func float(_ value: JSONValue, _ path: String) throws(EngineAPIError) -> Float {
    if value.string == minusInfinity { return -.infinity }
    guard let number = value.number else { throw .wrongKind(field: path, found: value.kind, expected: "a number") }
    // Not by way of a Double, which would round twice.
    guard let float = Float(number.text), float.isFinite else {
      throw .outOfRange(field: path, value: number.text, range: "a finite number of 32 bits")
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
