import JSON

/// A schema and where it stands in its document, or what does not satisfy it.
struct SchemaReference: Sendable {
  var value: JSONValue
  /// "#/properties/a"; unlike that of any other schema of the document.
  var pointer: String
  /// Whether the values meant are those that do not satisfy the schema.
  var isNegated = false

  /// Unlike that of any other reference with other values.
  var key: String { isNegated ? "!" + pointer : pointer }
  var negated: SchemaReference { SchemaReference(value: value, pointer: pointer, isNegated: !isNegated) }

  func child(_ keyword: String, _ value: JSONValue) -> SchemaReference {
    SchemaReference(value: value, pointer: "\(pointer)/\(Self.escaped(keyword))")
  }

  func child(_ keyword: String, _ member: String, _ value: JSONValue) -> SchemaReference {
    SchemaReference(value: value, pointer: "\(pointer)/\(keyword)/\(Self.escaped(member))")
  }

  /// Whether it admits every value: `true`, or an object without members.
  var isTrivial: Bool { isNegated ? value.bool == false : saysNothing }
  var isFalse: Bool { isNegated ? saysNothing : value.bool == false }
  private var saysNothing: Bool { value.bool == true || value.object?.count == 0 }

  /// RFC 6901.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "~": result += "~0"
      case "/": result += "~1"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func unescaped(_ text: Substring) -> String {
    var result = ""
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      if scalar == "~", let next = rest.first, next == "0" || next == "1" {
        rest.removeFirst()
        result += next == "0" ? "~" : "/"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The schema that `reference` names in the document `root`.
  static func resolve(
    _ reference: String, in root: JSONValue, pointer: String
  ) throws(StructuredOutputError) -> SchemaReference {
    guard reference.utf8.first == UInt8(ascii: "#") else {
      throw .unsupported(
        keyword: "$ref", pointer: pointer,
        reason: "only references within the schema are followed (\"#/$defs/…\"), not \"\(reference)\"")
    }
    guard reference == "#" || reference.hasPrefix("#/") else {
      throw .unsupported(keyword: "$ref", pointer: pointer, reason: "anchors are not followed; use \"#/$defs/…\"")
    }
    guard let decoded = reference.removingPercentEncoding else {
      throw .unresolvedReference(reference, pointer: pointer)
    }
    var found = SchemaReference(value: root, pointer: "#")
    for part in decoded.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let key = unescaped(part)
      let next: JSONValue?
      if let elements = found.value.array {
        next = Int(key).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
      } else {
        next = found.value[key]
      }
      guard let next else { throw .unresolvedReference(reference, pointer: pointer) }
      found = found.child(key, next)
    }
    return found
  }
}

extension String {
  /// With %XX replaced by the bytes they stand for; nil where that is no UTF-8 or no escape.
  fileprivate var removingPercentEncoding: String? {
    guard utf8.contains(UInt8(ascii: "%")) else { return self }
    var bytes: [UInt8] = []
    var rest = Array(utf8)[...]
    while let byte = rest.first {
      rest = rest.dropFirst()
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
