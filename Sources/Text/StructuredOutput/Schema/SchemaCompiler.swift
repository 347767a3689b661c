import JSON

/// Turns one schema document into rules: one for the values at each place of it.
///
/// Whitespace, where JSON allows any: nothing or one space after ':', nothing or one space or a line end and up to 32
/// spaces of indentation after ',', '{' and '[' and before '}' and ']', nothing elsewhere.
final class SchemaCompiler {
  static let indentationLimit = 32
  static let itemLimit = 100_000
  /// How many ranges beyond ASCII, times states that they lead to, a string has without a rule for them.
  private static let unsharedRangeLimit = 200

  let grammar: GrammarCompiler
  let normalizer: SchemaNormalizer
  /// Whether members come in the order in which they are declared.
  let inOrder: Bool
  private let root: SchemaReference
  private var rules: [String: Int32] = [:]
  /// The rules of objects, by what they demand.
  var objectRules: [String: Int32] = [:]
  /// Rules that are numbered but not built: a queue, so that deep schemas take no stack.
  private var waiting: [(rule: Int32, shapes: [Shape], isPlain: Bool)] = []

  /// Whether what is being built has one shape, and that from one schema.
  private var isPlain = false

  var budget: CompileBudget { grammar.budget }

  init(_ schema: JSONValue, inOrder: Bool = false, in grammar: GrammarCompiler) {
    self.grammar = grammar
    self.inOrder = inOrder
    root = SchemaReference(value: schema, pointer: "#")
    normalizer = SchemaNormalizer(root: schema, budget: grammar.budget)
  }

  /// The rule for whole values.
  func compile() throws(StructuredOutputError) -> Int32 {
    let rule = try self.rule(for: [root])
    while let next = waiting.popLast() {
      isPlain = next.isPlain
      var builder = grammar.makeBuilder()
      for shape in next.shapes { try add(shape, to: &builder, from: RuleBuilder.start, end: RuleBuilder.end) }
      try grammar.define(next.rule, builder)
    }
    return rule
  }

  /// The rule for values that satisfy all of `schemas`.
  func rule(for schemas: [SchemaReference]) throws(StructuredOutputError) -> Int32 {
    var seen: Set<String> = []
    let schemas = schemas.filter { !$0.isTrivial && seen.insert($0.key).inserted }
    let key = schemas.map(\.key).joined(separator: "\n")
    if let known = rules[key] { return known }
    let pointer = schemas.last?.pointer ?? "#"
    budget.pointer = pointer
    try budget.spend(20)
    let shapes: [Shape]
    do throws(StructuredOutputError) {
      shapes = try normalizer.shapes(of: schemas)
    } catch {
      // What nothing satisfies is left out where there are other ways; counts that exclude each other are a mistake.
      guard case .contradictory = error, schemas.count > 1 || !normalizer.wasMistaken else { throw error }
      grammar.contradictions.append(error)
      shapes = []
    }
    let signature = shapes.map(\.signature).joined(separator: "|")
    // Shapes that say the same share a rule, and with it what is learnt of it.
    if let known = rules["=" + signature] {
      rules[key] = known
      return known
    }
    let rule = try grammar.reserveRule(pointer)
    rules[key] = rule
    rules["=" + signature] = rule
    waiting.append((rule, shapes, shapes.count == 1 && schemas.count == 1))
    return rule
  }

  private func add(
    _ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    budget.pointer = shape.pointer
    if let values = shape.values {
      for value in values { try add(literal: value, to: &builder, from: from, end: end, depth: 0) }
      return
    }
    if shape.types.contains(.null) { builder.addLiteral("null", from: from, to: end) }
    if shape.types.contains(.boolean) {
      builder.addLiteral("true", from: from, to: end)
      builder.addLiteral("false", from: from, to: end)
    }
    if !shape.types.isDisjoint(with: .number) { try addNumber(shape, to: &builder, from: from, end: end) }
    if shape.types.contains(.string) { try addString(shape, to: &builder, from: from, end: end) }
    if shape.types.contains(.array) { try addArray(shape, to: &builder, from: from, end: end) }
    if shape.types.contains(.object) { try addObject(shape, to: &builder, from: from, end: end) }
  }

  /// Notes that none of `types` has a value that could be written. A mistake if nothing else was asked for.
  private func noValue(of types: TypeSet, _ shape: Shape, _ reason: String) throws(StructuredOutputError) {
    let error = StructuredOutputError.contradictory(pointer: shape.pointer, reason: reason)
    if isPlain, shape.types.isSubset(of: types) { throw error }
    grammar.contradictions.append(error)
  }

  private func addNumber(
    _ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    let automata = try NumberAutomata(shape.number, types: shape.types, budget: budget)
    if automata.nonNegative.isEmpty, automata.negative.isEmpty {
      return try noValue(
        of: .number, shape, "no number that can be written is within its bounds and a multiple of its divisors")
    }
    for automaton in automata.nonNegative { builder.add(automaton, as: .plain, from: from, to: end) }
    if automata.negative.isEmpty { return }
    let signed = builder.makeState()
    builder.addByte("-", from: from, to: signed)
    for automaton in automata.negative { builder.add(automaton, as: .plain, from: signed, to: end) }
  }

  private func addString(
    _ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    let isCounted = shape.minimumLength > 0 || shape.maximumLength != nil
    if !isCounted, shape.patterns.isEmpty, shape.excludedPatterns.isEmpty, shape.excludedTexts.isEmpty,
      shape.formats.isEmpty
    {
      builder.addCall(try anyString(), from: from, to: end)
      return
    }
    let (strings, length) = try normalizer.countedStrings(of: shape)
    if strings.isEmpty || length?.maximum.map({ $0 < strings.distances[0] }) ?? false {
      return try noValue(of: .string, shape, "no string has its length, its pattern and its format")
    }
    guard let length else { return try addQuoted(strings, to: &builder, from: from, end: end) }
    let key = shape.stringSignature
    let rule = try grammar.sharedRule("counted \(key)", name: shape.pointer) {
      (inner: inout RuleBuilder) throws(StructuredOutputError) in
      inner.table = .length(length)
      inner.addGate(.closing, at: RuleBuilder.end)
      try self.addQuoted(
        strings.withSeparateStart, distances: strings.distances, isFree: strings.isEverything, to: &inner,
        from: RuleBuilder.start,
        end: RuleBuilder.end)
    }
    builder.addCall(rule, from: from, to: end)
  }

  /// A string with its quotes. With `distances` all but the first state count the character that leads to them. With
  /// `isFree` any character may follow in each state.
  func addQuoted(
    _ strings: ScalarAutomaton, distances: [Int]? = nil, isFree: Bool = false, to builder: inout RuleBuilder,
    from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    try budget.spend(strings.stateCount * (2 * strings.alphabet.count + 20))
    let edges = ScalarEdges(strings)
    let beyondASCII = try grammar.sharedRule("beyond ASCII", name: "#") { builder throws(StructuredOutputError) in
      builder.addBeyondASCII(from: RuleBuilder.start, to: RuleBuilder.end)
    }
    let escaped = try grammar.sharedRule("escaped", name: "#") { builder throws(StructuredOutputError) in
      let bytes = ScalarSet.escaped.ranges.flatMap { $0.map { UInt8($0) } }
      builder.addEscapes(bytes, from: RuleBuilder.start, to: RuleBuilder.end)
    }
    let shared = try sharedScalars(of: edges, .init(beyondASCII: beyondASCII, escaped: escaped))
    let (open, closed) = (builder.makeState(), builder.makeState())
    builder.addByte("\"", from: from, to: open)
    let states = builder.add(strings, edges, as: .jsonString(shared), from: open, to: closed)
    if distances != nil, let first = states.first { builder.addGate(.opened, at: first) }
    for (state, distance) in zip(states.dropFirst(), distances ?? []) {
      builder.addGate(.character(distance: distance), at: state)
    }
    if isFree { for state in states { builder.addContent(.single, at: state) } }
    builder.addByte("\"", from: closed, to: end)
  }

  /// With rules for sets of many ranges that lead to many states: each of these would have states of its own for all of
  /// the ranges.
  private func sharedScalars(
    of edges: ScalarEdges, _ shared: RuleBuilder.SharedScalars
  ) throws(StructuredOutputError) -> RuleBuilder.SharedScalars {
    var shared = shared
    for (number, targets) in edges.targetCounts.enumerated() {
      let set = edges.sets[number]
      if set.isSuperset(of: .beyondASCII) { continue }
      let rangeCount = set.ranges.count { $0.upperBound > 0x7F }
      guard rangeCount * targets > Self.unsharedRangeLimit else { continue }
      try budget.spend(20 * rangeCount)
      let scalars = set.intersection(.beyondASCII)
      let key = scalars.ranges.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
      shared.others[number] = try grammar.sharedRule("scalars \(key)", name: "#") {
        (builder: inout RuleBuilder) throws(StructuredOutputError) in
        var tails = UTF8Tails()
        builder.addScalar(scalars, isPlain: true, from: RuleBuilder.start, to: RuleBuilder.end, tails: &tails)
      }
    }
    let steps = edges.all.reduce(0) { sum, edge in
      sum + (shared.others[edge.set] == nil ? 4 * min(edges.sets[edge.set].ranges.count, 1 << 20) : 4)
    }
    try budget.spend(steps)
    return shared
  }

  /// The rule for any string; the same for all schemas.
  func anyString() throws(StructuredOutputError) -> Int32 {
    try grammar.sharedRule("string", name: "#") { builder throws(StructuredOutputError) in
      builder.addAnyString(from: RuleBuilder.start, to: RuleBuilder.end)
    }
  }

  /// The rule for whitespace next to brackets and after commas.
  func gap() throws(StructuredOutputError) -> Int32 {
    try grammar.sharedRule("gap", name: "#") { builder throws(StructuredOutputError) in
      builder.addEmpty(from: RuleBuilder.start, to: RuleBuilder.end)
      builder.addByte(" ", from: RuleBuilder.start, to: RuleBuilder.end)
      var at = builder.makeState()
      builder.addByte("\n", from: RuleBuilder.start, to: at)
      for _ in 0..<Self.indentationLimit {
        builder.addEmpty(from: at, to: RuleBuilder.end)
        let next = builder.makeState()
        builder.addByte(" ", from: at, to: next)
        at = next
      }
      builder.addEmpty(from: at, to: RuleBuilder.end)
    }
  }
}
