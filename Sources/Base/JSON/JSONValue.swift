import Glibc

/// A parsed JSON document. Numbers keep their spelling, so that a reader can demand exact integers;
/// objects keep their order and compare keys byte by byte.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// The word an error message uses for this kind of value.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  package var isNull: Bool { self == .null }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  package var number: JSONNumber? { if case .number(let value) = self { value } else { nil } }
  /// The value of an integer written without fraction, exponent or "-0"; otherwise nil.
  package var exactInt: Int? { number?.exactInt }
  package var double: Double? { number?.double }

  /// The member `key` of an object; nil for a missing key and for any other kind of value.
  package subscript(key: String) -> JSONValue? { object?[key] }
}

/// A JSON number as it was spelt.
package struct JSONNumber: Sendable, Equatable {
  package let text: String

  /// A number spelt `text`, which must follow JSON's grammar.
  package init(text: String) { self.text = text }
  /// A number without a fraction.
  package init(_ value: Int) { text = String(value) }
  /// A finite number in its shortest round-trip spelling; nil for NaN and infinities, which JSON cannot hold.
  package init?(_ value: Double) {
    guard value.isFinite else { return nil }
    text = "\(value)"
  }
  /// The shortest digits that read back as this fp32 number; nil for infinity and NaN.
  package init?(_ value: Float) {
    guard value.isFinite else { return nil }
    text = "\(value)"
  }

  /// The value of an integer written without fraction, exponent or "-0"; otherwise nil.
  package var exactInt: Int? {
    text.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || $0 == 45 }) && text != "-0" ? Int(text) : nil
  }
  package var double: Double { Double(text) ?? .nan }
}

/// A JSON object: members in file order, looked up by the exact bytes of their keys.
///
/// `String` equality is canonical equivalence, under which two different vocabulary entries can be equal;
/// here keys are equal only when their UTF-8 is.
package struct JSONObject: Sendable, Equatable {
  package private(set) var keys: [String] = []
  package private(set) var values: [JSONValue] = []
  private var index: [ExactString: Int] = [:]

  package init() {}

  package init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  package var count: Int { keys.count }
  package var members: some Sequence<(key: String, value: JSONValue)> {
    zip(keys, values).lazy.map { (key: $0, value: $1) }
  }

  package subscript(key: String) -> JSONValue? {
    get { index[ExactString(key)].map { values[$0] } }
    set {
      if let position = index[ExactString(key)] {
        if let newValue {
          values[position] = newValue
        } else {
          keys.remove(at: position)
          values.remove(at: position)
          index.removeAll()
          for (position, key) in keys.enumerated() { index[ExactString(key)] = position }
        }
      } else if let newValue {
        index[ExactString(key)] = keys.count
        keys.append(key)
        values.append(newValue)
      }
    }
  }

  /// Adds a member; false, leaving the object as it was, when the key is there already.
  mutating func insertNew(_ key: String, _ value: JSONValue) -> Bool {
    let exact = ExactString(key)
    guard index[exact] == nil else { return false }
    index[exact] = keys.count
    keys.append(key)
    values.append(value)
    return true
  }

  package static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.count == b.count
      && zip(a.keys, b.keys).allSatisfy { ExactString($0) == ExactString($1) } && a.values == b.values
  }
}

/// A string that equals only strings with the same UTF-8 bytes.
package struct ExactString: Hashable, Sendable {
  package let string: String
  package init(_ string: String) { self.string = string }

  package static func == (a: ExactString, b: ExactString) -> Bool {
    var (a, b) = (a.string, b.string)
    return a.withUTF8 { a in
      b.withUTF8 { b in
        guard let first = a.baseAddress, let second = b.baseAddress else { return a.count == b.count }
        return unsafe a.count == b.count && memcmp(first, second, a.count) == 0
      }
    }
  }
  package func hash(into hasher: inout Hasher) {
    var copy = string
    copy.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
