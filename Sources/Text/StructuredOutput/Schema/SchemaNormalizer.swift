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
  private(set) var nesting = 0
  /// How deep inside of one another resolutions look whether required members can be satisfied.
  static let lookahead = 3
  /// Whether "$ref" stands alone, as before draft 2019-09, and whether there is "if", as since draft 7.
  let ignoresSiblings: Bool
  let hasConditions: Bool
  /// The document's identifiers, once they have been asked for.
  var identifiers: Identifiers?
  /// Whether the last contradiction was one of bounds or counts within a schema.
  private(set) var wasMistaken = false
  /// Whether some value satisfies lists of schemas, by their keys.
  var possibilities: [String: Bool] = [:]

  init(root: JSONValue, budget: CompileBudget) {
    self.root = root
    self.budget = budget
    let dialect = root["$schema"]?.string ?? ""
    ignoresSiblings = ["draft-03", "draft-04", "draft-06", "draft-07"].contains { dialect.contains($0) }
    hasConditions = !["draft-03", "draft-04", "draft-06"].contains { dialect.contains($0) }
  }

  /// Whether only the reference of a schema counts.
  func isSuperseded(_ keywords: SchemaKeywords) -> Bool { ignoresSiblings && keywords["$ref"]?.string != nil }

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
      wasMistaken = selection.wasMistaken
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
  func strings(of shape: Shape, countsLength: Bool = true) throws(StructuredOutputError) -> ScalarAutomaton {
    var result = ScalarAutomaton.all
    budget.pointer = shape.pointer
    for pattern in shape.patterns {
      result = try result.intersection(automaton(pattern, isWhole: false), budget: budget)
    }
    for pattern in shape.excludedPatterns {
      result = try result.subtracting(automaton(pattern, isWhole: false, isWide: true), budget: budget)
    }
    if !shape.excludedTexts.isEmpty {
      result = try result.subtracting(.oneOf(shape.excludedTexts, budget: budget), budget: budget)
    }
    for format in shape.formats {
      result = try result.intersection(automaton(format.pattern, isWhole: true), budget: budget)
    }
    if countsLength, shape.minimumLength > 0 || shape.maximumLength != nil {
      result = try result.intersection(
        .length(atLeast: shape.minimumLength, atMost: shape.maximumLength, budget: budget), budget: budget)
    }
    return result
  }

  /// Strings of the shape, and what is left to be counted besides. Lengths that only an automaton can combine with
  /// patterns, which are least ones, and short ones are in the automaton.
  func countedStrings(
    of shape: Shape
  ) throws(StructuredOutputError) -> (strings: ScalarAutomaton, length: LengthTable?) {
    var result = try strings(of: shape, countsLength: false)
    let (minimum, maximum) = (shape.minimumLength, shape.maximumLength)
    if minimum == 0, maximum == nil { return (result, nil) }
    let isFree =
      shape.patterns.isEmpty && shape.excludedPatterns.isEmpty && shape.excludedTexts.isEmpty && shape.formats.isEmpty
    guard minimum < ScalarAutomaton.stateLimit else {
      throw .tooLarge(what: "a length", pointer: shape.pointer, limit: ScalarAutomaton.stateLimit - 1)
    }
    if isFree { return (result, LengthTable(minimum: minimum, maximum: maximum)) }
    if minimum > 0 {
      result = try result.intersection(.length(atLeast: minimum, atMost: nil, budget: budget), budget: budget)
    }
    guard let maximum else { return (result, nil) }
    // A language that ends by itself before there are too many needs no count.
    if let longest = result.longest, longest <= maximum { return (result, nil) }
    return (result, LengthTable(minimum: 0, maximum: maximum))
  }

  /// Strings in which every dialect finds `pattern`, or with `isWide` those in which some dialect does.
  func automaton(
    _ pattern: String, isWhole: Bool, isWide: Bool = false
  ) throws(StructuredOutputError) -> ScalarAutomaton {
    let key = (isWhole ? "=" : isWide ? "+" : "~") + pattern
    if let known = patterns[key] { return known }
    let made =
      isWhole
      ? try ScalarAutomaton(whole: pattern, budget: budget)
      : try ScalarAutomaton(pattern: pattern, isWide: isWide, budget: budget)
    patterns[key] = made
    return made
  }

  /// Shapes that are left, and why the last one that is gone went.
  private struct Selection {
    var shapes: [Shape]
    var reason: String?
    var wasMistaken = false
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
      selection.wasMistaken = false
      return
    }
    guard depth <= Self.depthLimit else {
      throw .tooLarge(what: "the nesting of combined schemas", pointer: schema.pointer, limit: Self.depthLimit)
    }
    guard !active.contains(schema.key) else {
      throw .contradictory(pointer: schema.pointer, reason: "it refers to itself before anything is written")
    }
    guard selection.applied.insert(schema.key).inserted else { return }
    let active = active.union([schema.key])
    let keywords = try SchemaKeywords(schema)
    try keywords.refuseUnsupported()
    // Measured: about 10 µs a schema, and a microsecond or two for each member and value.
    try budget.spend(400 + selection.shapes.count * (60 * members(keywords) + 100))
    if schema.isNegated {
      let failures = try failures(of: keywords)
      return try branch(
        failures.map { ($0.change, $0.schemas) }, of: &selection, keywords, depth: depth, active: active)
    }
    if isSuperseded(keywords) {
      return try apply(try target(of: keywords), to: &selection, depth: depth + 1, active: active)
    }
    for i in selection.shapes.indices { try selection.shapes[i].restrict(by: keywords) }
    try prune(&selection)

    if keywords["$ref"] != nil { try apply(try target(of: keywords), to: &selection, depth: depth + 1, active: active) }
    for part in try keywords.schemas("allOf") ?? [] {
      try apply(part, to: &selection, depth: depth + 1, active: active)
    }
    if let part = keywords.subschema("not") {
      try apply(part.negated, to: &selection, depth: depth + 1, active: active)
    }
    try applyDependencies(keywords, to: &selection, depth: depth, active: active)
    if hasConditions, let condition = keywords.subschema("if") {
      let (then, other) = (keywords.subschema("then"), keywords.subschema("else"))
      if then != nil || other != nil {
        let ways = [[condition] + [then].compactMap { $0 }, [condition.negated] + [other].compactMap { $0 }]
        try branch(ways.map { ({ _ in }, $0) }, of: &selection, keywords, depth: depth, active: active)
      }
    }
    if let branches = try keywords.schemas("anyOf") {
      try branch(branches.map { ({ _ in }, [$0]) }, of: &selection, keywords, depth: depth, active: active)
    }
    if let branches = try keywords.schemas("oneOf") {
      try applyOne(of: branches, to: &selection, keywords, depth: depth, active: active)
    }
  }

  /// Leaves the shapes that one of `ways` leaves: each changes shapes, and then its schemas hold.
  private func branch(
    _ ways: [(change: (inout Shape) -> Void, schemas: [SchemaReference])], of selection: inout Selection,
    _ keywords: SchemaKeywords, depth: Int, active: Set<String>
  ) throws(StructuredOutputError) {
    var chosen: [Shape] = []
    var reason = selection.reason
    for way in ways {
      try budget.spend(100 + 100 * selection.shapes.count)
      var alternative = Selection(shapes: selection.shapes, applied: selection.applied)
      for i in alternative.shapes.indices { way.change(&alternative.shapes[i]) }
      try prune(&alternative)
      for schema in way.schemas { try apply(schema, to: &alternative, depth: depth + 1, active: active) }
      chosen += alternative.shapes
      reason = alternative.reason ?? reason
      guard chosen.count <= Self.shapeLimit else {
        throw .tooLarge(what: "the number of combinations", pointer: keywords.schema.pointer, limit: Self.shapeLimit)
      }
    }
    selection.shapes = try distinct(chosen)
    selection.reason = reason
  }

  /// Members that bring a schema for the whole object along.
  private func applyDependencies(
    _ keywords: SchemaKeywords, to selection: inout Selection, depth: Int, active: Set<String>
  ) throws(StructuredOutputError) {
    for keyword in ["dependentSchemas", "dependencies"] {
      for (name, value) in try keywords.object(keyword)?.members.map({ $0 }) ?? [] {
        if keyword == "dependencies", value.array != nil || value.string != nil { continue }
        let schema = keywords.schema.child(keyword, name, value)
        if schema.isTrivial { continue }
        var absent = Shape.Members()
        absent.add(name, SchemaReference(value: false, pointer: schema.pointer))
        let ways: [(change: (inout Shape) -> Void, schemas: [SchemaReference])] = [
          ({ $0.members.append(absent) }, []),
          (
            { shape in
              shape.types.formIntersection(.object)
              if !shape.required.contains(where: { ExactString($0) == ExactString(name) }) {
                shape.required.append(name)
              }
            }, [schema]
          ),
        ]
        try branch(ways, of: &selection, keywords, depth: depth, active: active)
      }
    }
  }

  /// Leaves the shapes that satisfy exactly one of `branches`: where two may hold, the other one has to fail.
  private func applyOne(
    of branches: [SchemaReference], to selection: inout Selection, _ keywords: SchemaKeywords, depth: Int,
    active: Set<String>
  ) throws(StructuredOutputError) {
    var alternatives: [Selection] = []
    var count = 0
    for branch in branches {
      var alternative = Selection(shapes: selection.shapes, applied: selection.applied)
      try apply(branch, to: &alternative, depth: depth + 1, active: active)
      count += alternative.shapes.count
      guard count <= Self.shapeLimit else {
        throw .tooLarge(what: "the number of combinations", pointer: keywords.schema.pointer, limit: Self.shapeLimit)
      }
      if let reason = alternative.reason { selection.reason = reason }
      alternatives.append(alternative)
    }
    var chosen: [Shape] = []
    for i in alternatives.indices {
      var alternative = alternatives[i]
      for j in alternatives.indices where j != i {
        guard try meet(alternatives[i].shapes, alternatives[j].shapes) else { continue }
        try apply(branches[j].negated, to: &alternative, depth: depth + 1, active: active)
      }
      chosen += alternative.shapes
      guard chosen.count <= Self.shapeLimit else {
        throw .tooLarge(what: "the number of combinations", pointer: keywords.schema.pointer, limit: Self.shapeLimit)
      }
    }
    selection.shapes = try distinct(chosen)
    if selection.shapes.isEmpty { selection.reason = "several branches of its oneOf hold for every value" }
  }

  /// Whether some value may have a shape of both lists.
  private func meet(_ first: [Shape], _ second: [Shape]) throws(StructuredOutputError) -> Bool {
    for a in first {
      for b in second {
        try budget.spend(400)
        if try !areDisjoint(a, b, depth: 0) { return true }
      }
    }
    return false
  }

  private func members(_ keywords: SchemaKeywords) -> Int {
    (keywords["properties"]?.object?.count ?? 0) + (keywords["required"]?.array?.count ?? 0)
      + (keywords["enum"]?.array?.count ?? 0)
  }

  private func distinct(_ shapes: [Shape]) throws(StructuredOutputError) -> [Shape] {
    if shapes.count < 2 { return shapes }
    var seen: Set<String> = []
    var result: [Shape] = []
    for shape in shapes {
      let signature = shape.signature
      // Writing, hashing and comparing it: measured.
      try budget.spend(signature.utf8.count / 16)
      if seen.insert(signature).inserted { result.append(shape) }
    }
    return result
  }

  /// Takes away what contradicts itself: types that have no value left, then shapes without types.
  private func prune(_ selection: inout Selection) throws(StructuredOutputError) {
    var left: [Shape] = []
    for var shape in selection.shapes {
      if let contradiction = try narrow(&shape) {
        selection.reason = contradiction.reason
        selection.wasMistaken = contradiction.isMistake
      } else {
        left.append(shape)
      }
    }
    selection.shapes = left
  }
}
