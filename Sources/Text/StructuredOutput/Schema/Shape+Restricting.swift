import JSON

extension Shape {
  /// Adds what a schema's own keywords demand; references and combinations are not among them.
  mutating func restrict(by keywords: SchemaKeywords) throws(StructuredOutputError) {
    pointer = keywords.schema.pointer
    try restrictTypes(keywords)
    try restrictValues(keywords)
    try restrictNumbers(keywords)
    try restrictStrings(keywords)
    try restrictArrays(keywords)
    try restrictObjects(keywords)
  }

  mutating func restrictTypes(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    guard let type = keywords["type"] else { return }
    let expected = "the name of a type, or a list of them"
    let names = type.array ?? [type]
    var allowed: TypeSet = []
    for name in names {
      guard let name = name.string, let one = TypeSet(name: name) else { throw keywords.malformed("type", expected) }
      allowed.formUnion(one)
    }
    guard !names.isEmpty else { throw keywords.malformed("type", expected) }
    types.formIntersection(allowed)
  }

  private mutating func restrictValues(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    if let list = try keywords.list("enum") {
      guard !list.isEmpty else { throw keywords.malformed("enum", "a list with a value at least") }
      keep(list)
    }
    if let value = keywords["const"] { keep([value]) }
  }

  /// Leaves the values of `list` only.
  mutating func keep(_ list: [JSONValue]) {
    var distinct = ValueSet()
    let list = list.filter { distinct.insert($0) }
    guard let values else {
      self.values = list
      return
    }
    self.values = values.filter { distinct.contains($0) }
  }

  private mutating func restrictNumbers(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    for bound in try keywords.bounds("minimum", "exclusiveMinimum") { number.raiseMinimum(bound) }
    for bound in try keywords.bounds("maximum", "exclusiveMaximum") { number.lowerMaximum(bound) }
    guard let divisor = try keywords.number("multipleOf") else { return }
    guard !divisor.isZero, !divisor.isNegative else { throw keywords.malformed("multipleOf", "a number above zero") }
    guard Divisor(divisor) != nil else {
      throw keywords.unsupported("multipleOf", "the divisor has more digits than an automaton can keep remainders of")
    }
    if !number.divisors.contains(divisor) { number.divisors.append(divisor) }
  }

  private mutating func restrictStrings(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    if let count = try keywords.count("minLength") { minimumLength = max(minimumLength, count) }
    if let count = try keywords.count("maxLength") { maximumLength = min(maximumLength ?? count, count) }
    if let pattern = try keywords.string("pattern"), !patterns.contains(pattern) { patterns.append(pattern) }
    if let format = try keywords.string("format").flatMap({ StringFormat(rawValue: $0) }), !formats.contains(format) {
      formats.append(format)
    }
  }

  private mutating func restrictArrays(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    if let count = try keywords.count("minItems") { minimumItemCount = max(minimumItemCount, count) }
    if let count = try keywords.count("maxItems") { maximumItemCount = min(maximumItemCount ?? count, count) }
    var list = Items()
    list.prefix = try keywords.schemas("prefixItems") ?? []
    if keywords["items"]?.array != nil {
      // Before draft 2020-12.
      list.prefix = try keywords.schemas("items") ?? []
      list.rest = keywords.subschema("additionalItems")
    } else {
      list.rest = keywords.subschema("items")
    }
    if !list.prefix.isEmpty || list.rest != nil { items.append(list) }
    if let unique = keywords["uniqueItems"] {
      guard let unique = unique.bool else { throw keywords.malformed("uniqueItems", "true or false") }
      if unique { hasUniqueItems = true }
    }
    if let schema = keywords.subschema("contains") {
      var found = Contained(schema: schema)
      if let count = try keywords.count("minContains") { found.minimum = count }
      found.maximum = try keywords.count("maxContains")
      contained.append(found)
    }
  }

  private mutating func restrictObjects(_ keywords: SchemaKeywords) throws(StructuredOutputError) {
    if let count = try keywords.count("minProperties") { minimumMemberCount = max(minimumMemberCount, count) }
    if let count = try keywords.count("maxProperties") { maximumMemberCount = min(maximumMemberCount ?? count, count) }
    if let names = try keywords.strings("required") {
      var seen = Set(required.map { ExactString($0) })
      for name in names where seen.insert(ExactString(name)).inserted { required.append(name) }
    }
    var own = Members()
    if let properties = keywords["properties"] {
      guard let properties = properties.object else { throw keywords.malformed("properties", "an object of schemas") }
      for (name, value) in properties.members { own.add(name, keywords.schema.child("properties", name, value)) }
    }
    if let patterns = keywords["patternProperties"] {
      guard let patterns = patterns.object else {
        throw keywords.malformed("patternProperties", "an object of schemas")
      }
      for (pattern, value) in patterns.members {
        own.patterns.append((pattern, keywords.schema.child("patternProperties", pattern, value)))
      }
    }
    own.additional = keywords.subschema("additionalProperties")
    if !own.properties.isEmpty || !own.patterns.isEmpty || own.additional != nil { members.append(own) }
    if let schema = keywords.subschema("propertyNames") { nameSchemas.append(schema) }
    for keyword in ["dependentRequired", "dependencies"] {
      for (name, value) in try keywords.object(keyword)?.members.map({ $0 }) ?? [] {
        // Draft 3 and some writers have one name in the place of a list.
        if let needed = value.string, keyword == "dependencies" {
          companions.append((name, [needed]))
        } else if let needed = value.array {
          let names = needed.compactMap(\.string)
          guard names.count == needed.count else { throw keywords.malformed(keyword, "an object of lists of names") }
          if !names.isEmpty { companions.append((name, names)) }
        } else if keyword == "dependentRequired" {
          throw keywords.malformed(keyword, "an object of lists of names")
        }
      }
    }
  }
}

/// JSON values compared as JSON Schema does: numbers by value, objects without regard to order.
struct ValueSet {
  private var keys: Set<[UInt8]> = []

  /// False for a value that is there already.
  mutating func insert(_ value: JSONValue) -> Bool { keys.insert(Self.key(value)).inserted }
  func contains(_ value: JSONValue) -> Bool { keys.contains(Self.key(value)) }

  private static func key(_ value: JSONValue) -> [UInt8] {
    switch value {
    case .null: return Array("n".utf8)
    case .bool(let value): return Array(value ? "t".utf8 : "f".utf8)
    case .number(let number):
      guard let decimal = DecimalNumber(number) else { return Array("#\(number.text)".utf8) }
      return Array("\(decimal.isNegative ? "-" : "+")\(decimal.digits)e\(decimal.exponent)".utf8)
    case .string(let text): return JSONText.string(text)
    case .array(let values): return list("[", values.map { key($0) })
    case .object(let object):
      let members = object.members.map { JSONText.string($0.key) + [UInt8(ascii: ":")] + key($0.value) }
      return list("{", members.sorted { $0.lexicographicallyPrecedes($1) })
    }
  }

  private static func list(_ open: String, _ keys: [[UInt8]]) -> [UInt8] {
    Array(open.utf8) + keys.map { $0 + [UInt8(ascii: ",")] }.joined() + [UInt8(ascii: "]")]
  }
}
