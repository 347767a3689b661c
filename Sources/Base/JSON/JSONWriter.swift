internal import Bytes

extension JSONValue {
  /// This value as one line of JSON, or indented by two spaces a level.
  package func text(pretty: Bool = false) -> String {
    var out = ""
    write(into: &out, indent: pretty ? 0 : nil)
    return out
  }

  private func write(into out: inout String, indent: Int?) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let number): out += number.text
    case .string(let string): Self.writeString(string, into: &out)
    case .array(let values):
      Self.writeList("[", "]", values.count, into: &out, indent: indent) { i, out, indent in
        values[i].write(into: &out, indent: indent)
      }
    case .object(let object):
      Self.writeList("{", "}", object.count, into: &out, indent: indent) { i, out, indent in
        Self.writeString(object.keys[i], into: &out)
        out += indent == nil ? ":" : ": "
        object.values[i].write(into: &out, indent: indent)
      }
    }
  }

  private static func writeList(
    _ open: String, _ close: String, _ count: Int, into out: inout String, indent: Int?,
    _ element: (Int, inout String, Int?) -> Void
  ) {
    out += open
    for i in 0..<count {
      if i > 0 { out += "," }
      if let indent { out += "\n" + String(repeating: "  ", count: indent + 1) }
      element(i, &out, indent.map { $0 + 1 })
    }
    if let indent, count > 0 { out += "\n" + String(repeating: "  ", count: indent) }
    out += close
  }

  private static func writeString(_ string: String, into out: inout String) {
    out += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..<"\u{20}", "\u{2028}", "\u{2029}":
        out += "\\u" + Digits.hexadecimal(scalar.value, count: 4)
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }

  /// A number without a fraction.
  package static func int(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
  /// A number, or null for NaN and infinities.
  package static func double(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
  /// The shortest digits that read back as this fp32 number; null for infinity and NaN.
  package static func float(_ value: Float) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
}
