import JSON

extension SchemaNormalizer {
  /// Why no value has a shape.
  struct Contradiction {
    var reason: String
    /// Bounds or counts exclude each other: whoever wrote that meant something else.
    var isMistake = false

    static func mistaken(_ reason: String) -> Contradiction { Contradiction(reason: reason, isMistake: true) }
  }

  /// Takes types without values out of a shape, and values that it does not admit. Returns why nothing is left.
  func narrow(_ shape: inout Shape) throws(StructuredOutputError) -> Contradiction? {
    var last = Contradiction(reason: "the types demanded exclude one another")
    func drop(_ types: TypeSet, because why: @autoclosure () -> Contradiction) {
      if shape.types.isDisjoint(with: types) { return }
      shape.types.subtract(types)
      last = why()
    }
    if shape.number.isContradictory { drop(.number, because: .mistaken("its minimum is above its maximum")) }
    if let maximum = shape.maximumLength, maximum < shape.minimumLength {
      drop(.string, because: .mistaken("minLength \(shape.minimumLength) is above maxLength \(maximum)"))
    }
    if let problem = arrayContradiction(shape) { drop(.array, because: problem) }
    if let problem = try objectContradiction(shape) { drop(.object, because: problem) }
    if shape.types.isEmpty { return last }
    if let values = shape.values {
      var left: [JSONValue] = []
      for value in values where try admits(shape, value, depth: 0) { left.append(value) }
      if left.isEmpty {
        return Contradiction(reason: "no value of its enum or const satisfies what else is demanded")
      }
      if left.count < values.count { shape.values = left }
    }
    return nil
  }

  private func arrayContradiction(_ shape: Shape) -> Contradiction? {
    guard shape.types.contains(.array) else { return nil }
    if let maximum = shape.itemCountLimit, maximum < shape.minimumItemCount {
      return .mistaken("it needs \(shape.minimumItemCount) items and may have \(maximum) only")
    }
    return nil
  }

  private func objectContradiction(_ shape: Shape) throws(StructuredOutputError) -> Contradiction? {
    guard shape.types.contains(.object) else { return nil }
    try budget.spend(4 * shape.required.count * (1 + shape.members.count))
    for name in shape.required where try forbids(shape, name) {
      return Contradiction(reason: "the property \"\(name)\" is required and not allowed")
    }
    if let maximum = shape.maximumMemberCount, maximum < max(shape.minimumMemberCount, shape.required.count) {
      return .mistaken("it may have \(maximum) properties only and needs more")
    }
    let isClosed = shape.members.contains { ($0.additional?.isFalse ?? false) && $0.patterns.isEmpty }
    if isClosed, shape.minimumMemberCount > 0 {
      var count = 0
      for name in shape.memberNames where try !forbids(shape, name) { count += 1 }
      if count < shape.minimumMemberCount {
        return .mistaken("it needs \(shape.minimumMemberCount) properties and has \(count)")
      }
    }
    // Where demands on a required member come from several schemas, they may exclude one another.
    guard nesting <= Self.lookahead else { return nil }
    for name in shape.required {
      let demands = try demands(shape, onMember: name)
      if demands.count > 1, try !isPossible(demands) {
        return Contradiction(reason: "what is demanded of the property \"\(name)\" excludes itself")
      }
    }
    return nil
  }

  private func isPossible(_ schemas: [SchemaReference]) throws(StructuredOutputError) -> Bool {
    let key = schemas.map(\.key).joined(separator: "\n")
    if let known = possibilities[key] { return known }
    let result = try !possibleShapes(of: schemas).isEmpty
    possibilities[key] = result
    return result
  }

  /// Whether a value satisfies a shape. "format" is not asserted of values that a schema lists.
  func admits(_ shape: Shape, _ value: JSONValue, depth: Int) throws(StructuredOutputError) -> Bool {
    try budget.spend(1)
    guard depth <= Self.depthLimit else {
      throw .tooLarge(what: "the nesting of a listed value", pointer: shape.pointer, limit: Self.depthLimit)
    }
    if depth > 0, let values = shape.values {
      var set = ValueSet()
      guard
        values.contains(where: {
          _ = set.insert($0)
          return set.contains(value)
        })
      else { return false }
    }
    switch value {
    case .null: return shape.types.contains(.null)
    case .bool: return shape.types.contains(.boolean)
    case .number(let number):
      guard let decimal = DecimalNumber(number) else {
        throw .unsupported(keyword: "enum", pointer: shape.pointer, reason: "a number in it has too many digits")
      }
      return shape.types.contains(decimal.isInteger ? .integer : .fraction) && shape.number.admits(decimal)
    case .string(let text):
      guard shape.types.contains(.string) else { return false }
      let length = text.unicodeScalars.count
      guard length >= shape.minimumLength, length <= shape.maximumLength ?? length else { return false }
      for pattern in shape.patterns {
        budget.pointer = shape.pointer
        guard try automaton(pattern, isWhole: false).accepts(text) else { return false }
      }
      for pattern in shape.excludedPatterns {
        if try automaton(pattern, isWhole: false, isWide: true).accepts(text) { return false }
      }
      return !shape.excludedTexts.contains { ExactString($0) == ExactString(text) }
    case .array(let elements):
      guard shape.types.contains(.array), elements.count >= shape.minimumItemCount,
        elements.count <= shape.maximumItemCount ?? elements.count
      else { return false }
      for (i, element) in elements.enumerated() {
        guard try admits(shape.demands(onItem: i), element, depth: depth + 1) else { return false }
      }
      if shape.hasUniqueItems {
        var distinct = ValueSet()
        guard elements.allSatisfy({ distinct.insert($0) }) else { return false }
      }
      for contained in shape.contained {
        var count = 0
        for element in elements where try admits([contained.schema], element, depth: depth + 1) { count += 1 }
        guard count >= contained.minimum, count <= contained.maximum ?? count else { return false }
      }
      return true
    case .object(let object):
      guard shape.types.contains(.object), object.count >= shape.minimumMemberCount,
        object.count <= shape.maximumMemberCount ?? object.count,
        shape.required.allSatisfy({ object[$0] != nil })
      else { return false }
      for (name, member) in object.members {
        guard try admits(demands(shape, onMember: name), member, depth: depth + 1) else { return false }
      }
      for witness in shape.witnesses {
        var isThere = false
        for name in object.keys {
          let isMarked = try demands(shape, onMember: name).contains { $0.pointer == witness.mark }
          if isMarked == witness.isMarked { isThere = true }
        }
        if !isThere { return false }
      }
      return shape.companions.allSatisfy { pair in
        object[pair.name] == nil || pair.needed.allSatisfy { object[$0] != nil }
      }
    }
  }

  private func admits(
    _ schemas: [SchemaReference], _ value: JSONValue, depth: Int
  ) throws(StructuredOutputError) -> Bool {
    if schemas.allSatisfy(\.isTrivial) { return true }
    for shape in try possibleShapes(of: schemas) where try admits(shape, value, depth: depth) { return true }
    return false
  }

  /// Whether it is certain that no value has both shapes; false where it is not.
  func areDisjoint(_ a: Shape, _ b: Shape, depth: Int) throws(StructuredOutputError) -> Bool {
    if let values = a.values ?? b.values {
      let other = a.values == nil ? a : b
      for value in values where try admits(other, value, depth: 1) { return false }
      return true
    }
    let common = a.types.intersection(b.types)
    if !common.isDisjoint(with: [.null, .boolean]) { return false }
    if !common.isDisjoint(with: .number), !a.number.isDisjoint(from: b.number) { return false }
    if common.contains(.string) {
      var both = a
      both.minimumLength = max(a.minimumLength, b.minimumLength)
      both.maximumLength = [a.maximumLength, b.maximumLength].compactMap { $0 }.min()
      both.patterns += b.patterns
      both.excludedPatterns += b.excludedPatterns
      both.excludedTexts += b.excludedTexts
      // Validators need not check formats, so that these keep nothing apart.
      both.formats = []
      let lengthsMeet = both.minimumLength <= both.maximumLength ?? .max
      if lengthsMeet {
        let (strings, length) = try countedStrings(of: both)
        if !strings.isEmpty, strings.distances[0] <= length?.maximum ?? .max { return false }
      }
    }
    if common.contains(.array) {
      let limits = [a.itemCountLimit, b.itemCountLimit].compactMap { $0 }
      if max(a.minimumItemCount, b.minimumItemCount) <= limits.min() ?? .max { return false }
    }
    if common.contains(.object), try !areDisjointObjects(a, b, depth: depth) { return false }
    return true
  }

  /// Objects are apart when one requires what the other forbids, or a member that both require tells them apart.
  private func areDisjointObjects(_ a: Shape, _ b: Shape, depth: Int) throws(StructuredOutputError) -> Bool {
    for (one, other) in [(a, b), (b, a)] {
      for name in one.required where try forbids(other, name) { return true }
    }
    guard depth < 4 else { return false }
    let others = Set(b.required.map { ExactString($0) })
    for name in a.required where others.contains(ExactString(name)) {
      let (first, second) = (try demands(a, onMember: name), try demands(b, onMember: name))
      if first.isEmpty || second.isEmpty { continue }
      var apart = true
      search: for x in try possibleShapes(of: first) {
        for y in try possibleShapes(of: second) where try !areDisjoint(x, y, depth: depth + 1) {
          apart = false
          break search
        }
      }
      if apart { return true }
    }
    return false
  }
}

extension Shape {
  /// How many items arrays may have: up to "maxItems", and up to the first item that nothing satisfies.
  var itemCountLimit: Int? {
    var limit = maximumItemCount
    func lower(to count: Int) { limit = min(limit ?? count, count) }
    if demands(onItem: nil).contains(where: \.isFalse) { lower(to: prefixCount) }
    for index in 0..<prefixCount where demands(onItem: index).contains(where: \.isFalse) {
      lower(to: index)
      break
    }
    return limit
  }
}
