import JSON

/// The types of JSON that a parameter's schema allows.
struct ParameterTypes: OptionSet, Sendable {
  let rawValue: Int

  static let string = ParameterTypes(rawValue: 1)
  static let number = ParameterTypes(rawValue: 2)
  static let boolean = ParameterTypes(rawValue: 4)
  /// Objects and arrays.
  static let container = ParameterTypes(rawValue: 8)
  static let null = ParameterTypes(rawValue: 16)

  init(rawValue: Int) { self.rawValue = rawValue }

  /// Those of `schema`, whose references lead into `root`; none where it says nothing.
  init(_ schema: JSONValue?, in root: JSONValue) {
    // References may lead back to where they stand, many at a time: so many schemas and values are looked at.
    var patience = 4096
    self.init(schema, in: root, depth: 0, &patience)
  }

  private init(_ schema: JSONValue?, in root: JSONValue, depth: Int, _ patience: inout Int) {
    self = []
    guard let schema, depth < 8, patience > 0 else { return }
    let values = (schema["enum"]?.array ?? []) + (schema["const"].map { [$0] } ?? [])
    patience -= 1 + values.count
    for name in schema["type"]?.array ?? [schema["type"] ?? .null] { insert(Self.named(name.string)) }
    for value in values { insert(Self.of(value)) }
    if schema["nullable"] == true, !isEmpty { insert(.null) }
    if !isEmpty { return }
    for name in ["anyOf", "oneOf", "allOf"] {
      for member in (schema[name]?.array ?? []).prefix(64) {
        formUnion(Self(member, in: root, depth: depth + 1, &patience))
      }
    }
    if let reference = schema["$ref"]?.string {
      formUnion(Self(Self.target(reference, in: root), in: root, depth: depth + 1, &patience))
    }
    if isEmpty, schema["properties"] != nil || schema["items"] != nil { insert(.container) }
  }

  /// What `#/…` names; nil for what is too long for a name.
  private static func target(_ reference: String, in root: JSONValue) -> JSONValue? {
    guard reference.hasPrefix("#/"), reference.utf8.count <= longestCallHead else { return nil }
    var value = root
    for part in reference.dropFirst(2).split(separator: "/") {
      guard let next = value[String(part).replacing("~1", with: "/").replacing("~0", with: "~")] else { return nil }
      value = next
    }
    return value
  }

  private static func named(_ name: String?) -> ParameterTypes {
    switch name {
    case "string", "str", "text": .string
    case "integer", "number", "int", "float": .number
    case "boolean", "bool": .boolean
    case "object", "array", "dict", "list": .container
    case "null": .null
    default: []
    }
  }

  private static func of(_ value: JSONValue) -> ParameterTypes {
    if value.isNull { return .null }
    if value.bool != nil { return .boolean }
    if value.number != nil { return .number }
    return value.string == nil ? .container : .string
  }

  /// Text of such a value can be given out before its end is known.
  var isText: Bool { self == .string }

  /// The value that a text between tags stands for, as JSON: text without quotes is a string, unless the schema wants,
  /// or says nothing against, what else it can be.
  func json(_ text: String) -> String {
    if isText { return JSONValue.string(text).text() }
    let word = SectionReader.trimmed(text)
    let means = JSONMender.value(word)
    if isEmpty || contains(.null), word == "null" || word == "None" { return "null" }
    if isEmpty || contains(.number), (try? JSONValue(parsing: word).number) != nil { return word }
    let lowered = word.lowercased()
    if contains(.boolean) || isEmpty && (means == "true" || means == "false"), lowered == "true" || lowered == "false" {
      return lowered
    }
    if isEmpty || contains(.container), let container = JSONMender.container(word) { return container }
    if isEmpty || !contains(.string), (try? JSONValue(parsing: word, limits: JSONLimits(depth: 60))) != nil {
      return word
    }
    return JSONValue.string(text).text()
  }
}
