import JSON

/// Resolves references and combinations: which shapes values may have that satisfy some schemas.
final class SchemaNormalizer {
  static let depthLimit = 64
  static let shapeLimit = 1000

  let root: JSONValue
  let budget: CompileBudget
  private var patterns: [String: ScalarAutomaton] = [:]
  /// How many resolutions are under way inside of one another: listed values are checked against schemas that may list
  /// values themselves.
  private var nesting = 0

  init(root: JSONValue, budget: CompileBudget) {
    self.root = root
    self.budget = budget
  }

  /// The shapes of the values that satisfy all of `schemas`. Throws `contradictory` where there are none.
  func shapes(of schemas: [SchemaReference]) throws(StructuredOutputError) -> [Shape] {
    let pointer = schemas.last?.pointer ?? "#"
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.depthLimit else {
      throw .tooLarge(what: "the nesting of schemas with listed values", pointer: pointer, limit: Self.depthLimit)
    }
    var selection = Selection(shapes: [Shape(pointer: pointer)])
    for schema in schemas { try apply(schema, to: &selection, depth: 0, active: []) }
    if selection.shapes.isEmpty {
      throw .contradictory(pointer: pointer, reason: selection.reason ?? "a schema there is false")
    }
    return selection.shapes
  }

  /// As `shapes(of:)`, with no shapes where there is a contradiction.
  func possibleShapes(of schemas: [SchemaReference]) throws(StructuredOutputError) -> [Shape] {
    do throws(StructuredOutputError) { return try shapes(of: schemas) } catch {
      if case .contradictory = error { return [] }
      throw error
    }
  }

  /// The strings that a shape admits if it admits strings; each pattern is compiled once.
  func strings(of shape: Shape) throws(StructuredOutputError) -> ScalarAutomaton {
    var result = ScalarAutomaton.all
    budget.pointer = shape.pointer
    for pattern in shape.patterns { result = try result.intersection(automaton(pattern, isWhole: false), budget: budget) }
    for format in shape.formats {
      result = try result.intersection(automaton(format.pattern, isWhole: true), budget: budget)
    }
    if shape.minimumLength > 0 || shape.maximumLength != nil {
      result = try result.intersection(
        .length(atLeast: shape.minimumLength, atMost: shape.maximumLength, budget: budget), budget: budget)
    }
    return result
  }

  func automaton(_ pattern: String, isWhole: Bool) throws(StructuredOutputError) -> ScalarAutomaton {
    let key = (isWhole ? "=" : "~") + pattern
    if let known = patterns[key] { return known }
    let made = isWhole
      ? try ScalarAutomaton(whole: pattern, budget: budget) : try ScalarAutomaton(pattern: pattern, budget: budget)
    patterns[key] = made
    return made
  }

  /// Shapes that are left, and why the last one that is gone went.
  private struct Selection {
    var shapes: [Shape]
    var reason: String?
    /// Schemas that all of the shapes satisfy already: doing it twice would double with each reference.
    var applied: Set<String> = []
  }

  private func apply(
    _ schema: SchemaReference, to selection: inout Selection, depth: Int, active: Set<String>
  ) throws(StructuredOutputError) {
    if schema.isTrivial || selection.shapes.isEmpty { return }
    if schema.isFalse {
      selection.shapes = []
      selection.reason = "the schema at \(schema.pointer) is false"
      return
    }
    guard depth <= Self.depthLimit else {
      throw .tooLarge(what: "the nesting of combined schemas", pointer: schema.pointer, limit: Self.depthLimit)
    }
    guard !active.contains(schema.pointer) else {
      throw .contradictory(pointer: schema.pointer, reason: "it refers to itself before anything is written")
    }
    guard selection.applied.insert(schema.pointer).inserted else { return }
    let active = active.union([schema.pointer])
    let keywords = try SchemaKeywords(schema)
    try keywords.refuseUnsupported()
    // Measured: about 10 µs a schema, and a microsecond or two for each member and value.
    try budget.spend(400 + selection.shapes.count * (60 * members(keywords) + 100))
    for i in selection.shapes.indices { try selection.shapes[i].restrict(by: keywords) }
    try prune(&selection)

    if let reference = try keywords.string("$ref") {
      let target = try SchemaReference.resolve(reference, in: root, pointer: schema.pointer)
      try apply(target, to: &selection, depth: depth + 1, active: active)
    }
    for part in try keywords.schemas("allOf") ?? [] {
      try apply(part, to: &selection, depth: depth + 1, active: active)
    }
    for keyword in ["anyOf", "oneOf"] {
      guard let branches = try keywords.schemas(keyword) else { continue }
      var chosen: [[Shape]] = []
      var reason = selection.reason
      var count = 0
      for branch in branches {
        var alternative = Selection(shapes: selection.shapes, applied: selection.applied)
        try apply(branch, to: &alternative, depth: depth + 1, active: active)
        chosen.append(alternative.shapes)
        reason = alternative.reason ?? reason
        count += alternative.shapes.count
        guard count <= Self.shapeLimit else {
          throw .tooLarge(what: "the number of combinations", pointer: schema.pointer, limit: Self.shapeLimit)
        }
      }
      if keyword == "oneOf" { try checkDisjoint(chosen, keywords) }
      selection.shapes = distinct(chosen.flatMap { $0 })
      selection.reason = reason
    }
  }

  private func members(_ keywords: SchemaKeywords) -> Int {
    (keywords["properties"]?.object?.count ?? 0) + (keywords["required"]?.array?.count ?? 0)
      + (keywords["enum"]?.array?.count ?? 0)
  }

  private func distinct(_ shapes: [Shape]) -> [Shape] {
    var seen: Set<String> = []
    return shapes.filter { seen.insert($0.signature).inserted }
  }

  /// Takes away what contradicts itself: types that have no value left, then shapes without types.
  private func prune(_ selection: inout Selection) throws(StructuredOutputError) {
    var left: [Shape] = []
    for var shape in selection.shapes {
      if let reason = try narrow(&shape) { selection.reason = reason } else { left.append(shape) }
    }
    selection.shapes = left
  }

  private func checkDisjoint(_ branches: [[Shape]], _ keywords: SchemaKeywords) throws(StructuredOutputError) {
    for (i, first) in branches.enumerated() {
      for (j, second) in branches.enumerated() where j > i {
        for a in first {
          for b in second {
            try budget.spend(400)
            guard try areDisjoint(a, b, depth: 0) else {
              throw keywords.unsupported(
                "oneOf",
                """
                branches \(i) and \(j) may both hold; use anyOf, or give each a required property of constant value
                """)
            }
          }
        }
      }
    }
  }
}
