import JSON

/// What the members of objects have to satisfy, and which names they may have.
extension SchemaNormalizer {
  static let nameClassLimit = 64

  /// What a shape demands of the member `name`.
  func demands(_ shape: Shape, onMember name: String) throws(StructuredOutputError) -> [SchemaReference] {
    var demands: [SchemaReference] = []
    budget.pointer = shape.pointer
    for list in shape.members {
      var isCovered = false
      if let index = list.index[ExactString(name)] {
        demands.append(list.properties[index].schema)
        isCovered = true
      }
      for (pattern, schema) in list.patterns where try automaton(pattern, isWhole: false).accepts(name) {
        demands.append(schema)
        isCovered = true
      }
      if !isCovered, let additional = list.additional { demands.append(additional) }
    }
    for schema in shape.nameSchemas {
      var isAdmitted = false
      for string in try possibleShapes(of: [schema]) where try admits(string, .string(name), depth: 1) {
        isAdmitted = true
        break
      }
      if !isAdmitted { demands.append(SchemaReference(value: false, pointer: schema.pointer)) }
    }
    return demands
  }

  /// Whether no value satisfies what a shape demands of the member `name`, as far as can be seen at once.
  func forbids(_ shape: Shape, _ name: String) throws(StructuredOutputError) -> Bool {
    try demands(shape, onMember: name).contains(where: \.isFalse)
  }

  /// The names that no schema mentions, by what is demanded of such members; nil stands for all strings.
  func otherNames(
    _ shape: Shape, besides names: [String]
  ) throws(StructuredOutputError) -> [(names: ScalarAutomaton?, demands: [SchemaReference])] {
    let hasPatterns = shape.members.contains { !$0.patterns.isEmpty }
    if names.isEmpty, !hasPatterns, shape.nameSchemas.isEmpty { return [(nil, shape.members.compactMap(\.additional))] }
    // Nothing has to be built where others are not allowed.
    if !hasPatterns, shape.members.contains(where: { $0.additional?.isFalse ?? false }) { return [] }
    budget.pointer = shape.pointer
    var free = ScalarAutomaton.all
    if !names.isEmpty { free = try free.subtracting(.oneOf(names, budget: budget), budget: budget) }
    for schema in shape.nameSchemas {
      var admitted: ScalarAutomaton?
      for string in try possibleShapes(of: [schema]) where string.types.contains(.string) {
        let some = try strings(listedOr: string)
        admitted = try admitted?.union(some, budget: budget) ?? some
      }
      guard let admitted else { return [] }
      free = try free.intersection(admitted, budget: budget)
    }
    if free.isEmpty { return [] }
    var classes: [(names: ScalarAutomaton, demands: [SchemaReference])] = [(free, [])]
    for list in shape.members {
      // Classes of names, and whether a pattern of this list is found in them.
      var parts = classes.map { (names: $0.names, demands: $0.demands, isCovered: false) }
      for (pattern, schema) in list.patterns {
        let found = try automaton(pattern, isWhole: false)
        var split: [(names: ScalarAutomaton, demands: [SchemaReference], isCovered: Bool)] = []
        for part in parts {
          let inside = try part.names.intersection(found, budget: budget)
          let outside = try part.names.subtracting(automaton(pattern, isWhole: false, isWide: true), budget: budget)
          if !inside.isEmpty { split.append((inside, part.demands + [schema], true)) }
          if !outside.isEmpty { split.append((outside, part.demands, part.isCovered)) }
        }
        parts = split
        guard parts.count <= Self.nameClassLimit else {
          throw .tooLarge(
            what: "the number of ways in which patternProperties meet", pointer: shape.pointer,
            limit: Self.nameClassLimit)
        }
      }
      classes = parts.map { part in
        (part.names, part.demands + (part.isCovered ? [] : [list.additional].compactMap { $0 }))
      }
    }
    var result: [(names: ScalarAutomaton?, demands: [SchemaReference])] = []
    for part in classes where !part.demands.contains(where: \.isFalse) { result.append((part.names, part.demands)) }
    return result
  }

  /// The strings of a shape, also of one that lists its values.
  private func strings(listedOr shape: Shape) throws(StructuredOutputError) -> ScalarAutomaton {
    guard let values = shape.values else { return try strings(of: shape) }
    let texts = values.compactMap(\.string)
    return texts.isEmpty
      ? ScalarAutomaton(alphabet: [.all], transitions: [], accepts: []) : try .oneOf(texts, budget: budget)
  }
}
