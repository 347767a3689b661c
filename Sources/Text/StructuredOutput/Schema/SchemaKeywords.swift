import JSON

/// Reads the keywords of one schema object, with errors that name them.
struct SchemaKeywords {
  let schema: SchemaReference
  let members: JSONObject

  init(_ schema: SchemaReference) throws(StructuredOutputError) {
    guard let members = schema.value.object else {
      throw .malformed(keyword: "schema", pointer: schema.pointer, expected: "an object, true or false")
    }
    self.schema = schema
    self.members = members
  }

  subscript(keyword: String) -> JSONValue? { members[keyword] }

  func malformed(_ keyword: String, _ expected: String) -> StructuredOutputError {
    .malformed(keyword: keyword, pointer: schema.pointer, expected: expected)
  }

  func unsupported(_ keyword: String, _ reason: String) -> StructuredOutputError {
    .unsupported(keyword: keyword, pointer: schema.pointer, reason: reason)
  }

  /// A count, zero or more. Counts beyond any output are cut to a number that still is.
  func count(_ keyword: String) throws(StructuredOutputError) -> Int? {
    guard let value = members[keyword] else { return nil }
    guard let number = value.number, let decimal = DecimalNumber(number), decimal.isInteger, !decimal.isNegative else {
      throw malformed(keyword, "an integer of zero or more")
    }
    guard decimal.integerDigitCount <= 12 else { return 1_000_000_000_000 }
    return decimal.integerDigits.reduce(0) { $0 * 10 + Int($1) }
  }

  func number(_ keyword: String) throws(StructuredOutputError) -> DecimalNumber? {
    guard let value = members[keyword] else { return nil }
    guard let number = value.number else { throw malformed(keyword, "a number") }
    guard let decimal = DecimalNumber(number) else { throw unsupported(keyword, "the number has too many digits") }
    return decimal
  }

  func string(_ keyword: String) throws(StructuredOutputError) -> String? {
    guard let value = members[keyword] else { return nil }
    guard let string = value.string else { throw malformed(keyword, "a string") }
    return string
  }

  func strings(_ keyword: String) throws(StructuredOutputError) -> [String]? {
    guard let value = members[keyword] else { return nil }
    guard let array = value.array else { throw malformed(keyword, "a list of strings") }
    var strings: [String] = []
    for element in array {
      guard let string = element.string else { throw malformed(keyword, "a list of strings") }
      strings.append(string)
    }
    return strings
  }

  func list(_ keyword: String) throws(StructuredOutputError) -> [JSONValue]? {
    guard let value = members[keyword] else { return nil }
    guard let array = value.array else { throw malformed(keyword, "a list") }
    return array
  }

  /// The schemas in a list that has one at least.
  func schemas(_ keyword: String) throws(StructuredOutputError) -> [SchemaReference]? {
    guard let list = try list(keyword) else { return nil }
    guard !list.isEmpty else { throw malformed(keyword, "a list with a schema at least") }
    return list.enumerated().map { schema.child(keyword, "\($0)", $1) }
  }

  func subschema(_ keyword: String) -> SchemaReference? { members[keyword].map { schema.child(keyword, $0) } }

  func object(_ keyword: String) throws(StructuredOutputError) -> JSONObject? {
    guard let value = members[keyword] else { return nil }
    guard let object = value.object else { throw malformed(keyword, "an object") }
    return object
  }

  /// The bounds that a pair of keywords sets; draft 4 says with a Boolean that the other one is exclusive.
  func bounds(_ keyword: String, _ exclusive: String) throws(StructuredOutputError) -> [NumberBound] {
    var bounds: [NumberBound] = []
    let isExclusive = members[keyword] == nil ? nil : members[exclusive]?.bool
    if let value = try number(keyword) { bounds.append(NumberBound(value: value, isExclusive: isExclusive ?? false)) }
    if isExclusive == nil, let value = try number(exclusive) {
      bounds.append(NumberBound(value: value, isExclusive: true))
    }
    return bounds
  }

  /// Keywords that demand something no automaton of this module checks.
  private static let refused: [(keyword: String, reason: String)] = [
    ("unevaluatedProperties", "use additionalProperties"), ("unevaluatedItems", "use items"),
    ("$dynamicRef", "use $ref"), ("$recursiveRef", "use $ref"),
  ]

  /// Throws for a keyword that would have to be ignored; what validators ignore as well is let pass.
  func refuseUnsupported() throws(StructuredOutputError) {
    for (keyword, reason) in Self.refused where members[keyword] != nil { throw unsupported(keyword, reason) }
    if schema.pointer != "#", let id = members["$id"]?.string, !id.hasPrefix("#"),
      members["definitions"] != nil || members["$defs"] != nil
    {
      throw unsupported("$id", "references would have another base below it; give one \"$id\", at the root")
    }
  }
}
