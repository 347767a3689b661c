import JSON

/// What does not satisfy a schema: it fails one of the keywords at least.
extension SchemaNormalizer {
  /// A way to fail a schema: shapes are changed, then schemas hold.
  struct Failure {
    var change: (inout Shape) -> Void = { _ in }
    var schemas: [SchemaReference] = []
  }

  /// The ways to fail the schema with these keywords.
  func failures(of keywords: SchemaKeywords) throws(StructuredOutputError) -> [Failure] {
    var failures: [Failure] = []
    for keyword in isSuperseded(keywords) ? ["$ref"] : keywords.members.keys {
      switch keyword {
      case "type": failures.append(try typeFailure(keywords))
      case "enum": failures += try valueFailures(try keywords.list("enum") ?? [], keyword, keywords)
      case "const": failures += try valueFailures([keywords["const"] ?? .null], keyword, keywords)
      case "$ref": failures.append(Failure(schemas: [try target(of: keywords).negated]))
      case "allOf": failures += try (keywords.schemas("allOf") ?? []).map { Failure(schemas: [$0.negated]) }
      case "anyOf": failures.append(Failure(schemas: try (keywords.schemas("anyOf") ?? []).map(\.negated)))
      case "oneOf":
        let branches = try keywords.schemas("oneOf") ?? []
        failures.append(Failure(schemas: branches.map(\.negated)))
        for (i, first) in branches.enumerated() {
          for second in branches[..<i] { failures.append(Failure(schemas: [first, second])) }
        }
      case "not": failures += keywords.subschema("not").map { [Failure(schemas: [$0])] } ?? []
      case "if":
        guard hasConditions else { continue }
        guard let condition = keywords.subschema("if") else { continue }
        if let then = keywords.subschema("then") { failures.append(Failure(schemas: [condition, then.negated])) }
        if let other = keywords.subschema("else") {
          failures.append(Failure(schemas: [condition.negated, other.negated]))
        }
      case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "pattern":
        failures += try scalarFailures(keyword, keywords)
      case "minItems", "maxItems", "items", "prefixItems", "contains", "uniqueItems":
        failures += try arrayFailures(keyword, keywords)
      case "minProperties", "maxProperties", "required", "properties", "patternProperties", "additionalProperties",
        "propertyNames", "dependentRequired", "dependentSchemas", "dependencies":
        failures += try objectFailures(keyword, keywords)
      case "format":
        // Whether a validator checks formats is not known: neither way would be safe.
        if let name = try keywords.string("format"), StringFormat(rawValue: name) != nil {
          throw unsupported(keyword, keywords)
        }
      default: continue
      }
    }
    return failures
  }

  private func unsupported(_ keyword: String, _ keywords: SchemaKeywords) -> StructuredOutputError {
    keywords.unsupported(keyword, "what does not satisfy it cannot be written, as \"not\" or \"oneOf\" asks for here")
  }

  private func typeFailure(_ keywords: SchemaKeywords) throws(StructuredOutputError) -> Failure {
    var shape = Shape(pointer: keywords.schema.pointer)
    try shape.restrictTypes(keywords)
    let types = shape.types
    return Failure { $0.types.subtract(types) }
  }

  private func valueFailures(
    _ values: [JSONValue], _ keyword: String, _ keywords: SchemaKeywords
  ) throws(StructuredOutputError) -> [Failure] {
    var kinds: TypeSet = []
    var texts: [String] = []
    var booleans: Set<Bool> = []
    var numbers: [DecimalNumber] = []
    var (listsArray, listsObject, hasEmptyArray, hasEmptyObject) = (false, false, false, false)
    for value in values {
      switch value {
      case .null: kinds.formUnion(.null)
      case .bool(let flag): booleans.insert(flag)
      case .string(let text): texts.append(text)
      case .number(let number):
        guard let decimal = DecimalNumber(number) else { throw unsupported(keyword, keywords) }
        numbers.append(decimal)
      case .array(let elements): if elements.isEmpty { hasEmptyArray = true } else { listsArray = true }
      case .object(let object): if object.count == 0 { hasEmptyObject = true } else { listsObject = true }
      }
    }
    // Containers that are listed are told apart by their sizes only.
    if listsArray || listsObject { throw unsupported(keyword, keywords) }
    if booleans.count == 2 { kinds.formUnion(.boolean) }
    let (excluded, onlyBoolean) = (texts, booleans.count == 1 ? booleans.first.map { !$0 } : nil)
    func common(_ shape: inout Shape) {
      shape.types.subtract(kinds)
      shape.excludedTexts += excluded
      if hasEmptyArray { shape.minimumItemCount = max(shape.minimumItemCount, 1) }
      if hasEmptyObject { shape.minimumMemberCount = max(shape.minimumMemberCount, 1) }
    }
    var failures: [Failure] = []
    failures.append(
      Failure { shape in
        common(&shape)
        if onlyBoolean != nil { shape.types.subtract(.boolean) }
        if !numbers.isEmpty { shape.types.subtract(.number) }
      })
    if let onlyBoolean {
      failures.append(
        Failure { shape in
          shape.types.formIntersection(.boolean)
          shape.keep([.bool(onlyBoolean)])
        })
    }
    if numbers.isEmpty { return failures }
    let sorted = numbers.sorted { $0 < $1 }
    for index in 0...sorted.count {
      failures.append(
        Failure { shape in
          shape.types.formIntersection(.number)
          if index > 0 { shape.number.raiseMinimum(NumberBound(value: sorted[index - 1], isExclusive: true)) }
          if index < sorted.count { shape.number.lowerMaximum(NumberBound(value: sorted[index], isExclusive: true)) }
        })
    }
    return failures
  }

  private func scalarFailures(
    _ keyword: String, _ keywords: SchemaKeywords
  ) throws(StructuredOutputError) -> [Failure] {
    func numbers(_ change: @escaping (inout NumberConstraint) -> Void) -> [Failure] {
      [
        Failure { shape in
          shape.types.formIntersection(.number)
          change(&shape.number)
        }
      ]
    }
    func strings(_ change: @escaping (inout Shape) -> Void) -> [Failure] {
      [
        Failure { shape in
          shape.types.formIntersection(.string)
          change(&shape)
        }
      ]
    }
    switch keyword {
    case "minimum", "exclusiveMinimum":
      if keyword == "exclusiveMinimum", keywords[keyword]?.bool != nil { return [] }
      return try keywords.bounds(keyword, keyword == "minimum" ? "exclusiveMinimum" : "minimum").prefix(1).flatMap {
        bound in
        let isExclusive = keyword == "minimum" ? bound.isExclusive : true
        return numbers { $0.lowerMaximum(NumberBound(value: bound.value, isExclusive: !isExclusive)) }
      }
    case "maximum", "exclusiveMaximum":
      if keyword == "exclusiveMaximum", keywords[keyword]?.bool != nil { return [] }
      return try keywords.bounds(keyword, keyword == "maximum" ? "exclusiveMaximum" : "maximum").prefix(1).flatMap {
        bound in
        let isExclusive = keyword == "maximum" ? bound.isExclusive : true
        return numbers { $0.raiseMinimum(NumberBound(value: bound.value, isExclusive: !isExclusive)) }
      }
    case "multipleOf":
      guard let divisor = try keywords.number(keyword), Divisor(divisor) != nil else {
        throw unsupported(keyword, keywords)
      }
      return numbers { $0.nonDivisors.append(divisor) }
    case "minLength":
      let count = try keywords.count(keyword) ?? 0
      return count == 0 ? [] : strings { $0.maximumLength = min($0.maximumLength ?? count - 1, count - 1) }
    case "maxLength":
      let count = try keywords.count(keyword) ?? 0
      return strings { $0.minimumLength = max($0.minimumLength, count + 1) }
    case "pattern":
      let pattern = try keywords.string(keyword) ?? ""
      return strings { $0.excludedPatterns.append(pattern) }
    default: throw unsupported(keyword, keywords)
    }
  }

  private func arrayFailures(_ keyword: String, _ keywords: SchemaKeywords) throws(StructuredOutputError) -> [Failure] {
    func arrays(_ change: @escaping (inout Shape) -> Void) -> Failure {
      Failure { shape in
        shape.types.formIntersection(.array)
        change(&shape)
      }
    }
    switch keyword {
    case "minItems":
      let count = try keywords.count(keyword) ?? 0
      return count == 0 ? [] : [arrays { $0.maximumItemCount = min($0.maximumItemCount ?? count - 1, count - 1) }]
    case "maxItems":
      let count = try keywords.count(keyword) ?? 0
      return [arrays { $0.minimumItemCount = max($0.minimumItemCount, count + 1) }]
    case "items" where keywords["prefixItems"] == nil && keywords["items"]?.array == nil:
      guard let items = keywords.subschema("items") else { return [] }
      return [arrays { $0.contained.append(.init(schema: items.negated)) }]
    case "contains" where keywords["minContains"] == nil && keywords["maxContains"] == nil:
      guard let schema = keywords.subschema("contains") else { return [] }
      return [arrays { $0.items.append(.init(rest: schema.negated)) }]
    case "uniqueItems" where keywords["uniqueItems"]?.bool == false: return []
    default: throw unsupported(keyword, keywords)
    }
  }

  private func objectFailures(
    _ keyword: String, _ keywords: SchemaKeywords
  ) throws(StructuredOutputError) -> [Failure] {
    func objects(_ schemas: [SchemaReference] = [], _ change: @escaping (inout Shape) -> Void) -> Failure {
      Failure(
        change: { shape in
          shape.types.formIntersection(.object)
          change(&shape)
        }, schemas: schemas)
    }
    let nothing = SchemaReference(value: false, pointer: "\(keywords.schema.pointer)/\(keyword)")
    let required = Set(try (keywords.strings("required") ?? []).map { ExactString($0) })
    let properties = try keywords.object("properties")
    switch keyword {
    case "minProperties":
      let count = try keywords.count(keyword) ?? 0
      return count == 0 ? [] : [objects { $0.maximumMemberCount = min($0.maximumMemberCount ?? count - 1, count - 1) }]
    case "maxProperties":
      let count = try keywords.count(keyword) ?? 0
      return [objects { $0.minimumMemberCount = max($0.minimumMemberCount, count + 1) }]
    case "required":
      // A property that has a schema as well is missing, or fails that: one way for both.
      return try (keywords.strings("required") ?? []).map { name in
        let failing = properties?[name].map { keywords.schema.child("properties", name, $0).negated } ?? nothing
        return objects { shape in
          var own = Shape.Members()
          own.add(name, failing)
          shape.members.append(own)
        }
      }
    case "properties":
      var failures: [Failure] = []
      for (name, value) in properties?.members.map({ $0 }) ?? [] where !required.contains(ExactString(name)) {
        let failing = keywords.schema.child("properties", name, value).negated
        if failing.isFalse { continue }
        failures.append(
          objects { shape in
            var own = Shape.Members()
            own.add(name, failing)
            shape.members.append(own)
            if !shape.required.contains(where: { ExactString($0) == ExactString(name) }) { shape.required.append(name) }
          })
      }
      return failures
    case "dependentRequired", "dependencies", "dependentSchemas":
      var failures: [Failure] = []
      for (name, value) in try keywords.object(keyword)?.members.map({ $0 }) ?? [] {
        func present(_ shape: inout Shape) {
          if !shape.required.contains(where: { ExactString($0) == ExactString(name) }) { shape.required.append(name) }
        }
        if let needed = value.array ?? (value.string == nil ? nil : [value]) {
          for other in needed.compactMap(\.string) {
            failures.append(
              objects { shape in
                present(&shape)
                var own = Shape.Members()
                own.add(other, nothing)
                shape.members.append(own)
              })
          }
        } else {
          failures.append(objects([keywords.schema.child(keyword, name, value).negated], present))
        }
      }
      return failures
    case "additionalProperties" where keywords.subschema(keyword)?.isTrivial ?? false: return []
    case "additionalProperties" where keywords.subschema(keyword)?.isFalse ?? false:
      // A member is there that no other keyword covers.
      let mark = SchemaReference(value: true, pointer: "\(keywords.schema.pointer)/additionalProperties/covered")
      var covered = Shape.Members()
      for name in properties?.keys ?? [] { covered.add(name, mark) }
      for pattern in try keywords.object("patternProperties")?.keys ?? [] { covered.patterns.append((pattern, mark)) }
      return [
        objects { [covered] shape in
          shape.members.append(covered)
          shape.witnesses.append(.init(mark: mark.pointer, isMarked: false))
        }
      ]
    case "patternProperties":
      // A member is there whose name matches a pattern under which nothing is allowed.
      var failures: [Failure] = []
      for (pattern, value) in try keywords.object(keyword)?.members.map({ $0 }) ?? [] {
        let schema = keywords.schema.child(keyword, pattern, value)
        if schema.isTrivial { continue }
        guard schema.isFalse else { throw unsupported(keyword, keywords) }
        let mark = SchemaReference(value: true, pointer: "\(schema.pointer)/matched")
        failures.append(
          objects { shape in
            var matched = Shape.Members()
            matched.patterns.append((pattern, mark))
            shape.members.append(matched)
            shape.witnesses.append(.init(mark: mark.pointer, isMarked: true))
          })
      }
      return failures
    default: throw unsupported(keyword, keywords)
    }
  }
}
