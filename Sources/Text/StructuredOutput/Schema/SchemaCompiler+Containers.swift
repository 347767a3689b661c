import JSON

extension SchemaCompiler {
  /// How many "contains" of one array are followed at once.
  private static let containedLimit = 3

  /// '[' items ']', counted as far as the schema counts them.
  func addArray(_ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32) throws(StructuredOutputError) {
    let minimum = shape.minimumItemCount
    let maximum = shape.itemCountLimit
    if shape.hasUniqueItems, maximum ?? 2 > 1 { return builder.addCall(try uniqueItems(shape), from: from, to: end) }
    for contained in shape.contained where contained.minimum > 1 || contained.maximum != nil {
      throw .unsupported(
        keyword: contained.maximum == nil ? "minContains" : "maxContains", pointer: contained.schema.pointer,
        reason: "items can be told apart by one \"contains\" only; use items or prefixItems")
    }
    let contained = shape.contained.filter { $0.minimum > 0 }.map(\.schema)
    guard contained.count <= Self.containedLimit else {
      throw .tooLarge(
        what: "the number of \"contains\" of an array", pointer: shape.pointer, limit: Self.containedLimit)
    }
    // Beyond this many items one more changes nothing, or there are no more.
    let last = maximum ?? max(minimum, shape.prefixCount, 1)
    guard last <= Self.itemLimit else {
      throw .tooLarge(what: "a count of items", pointer: shape.pointer, limit: Self.itemLimit)
    }
    let open = builder.makeState()
    builder.addByte("[", from: from, to: open)
    if minimum == 0, contained.isEmpty { builder.addByte("]", from: open, to: end) }
    if last == 0 { return }
    let gap = try gap()
    let beforeEnd = builder.makeState()
    builder.addByte("]", from: beforeEnd, to: end)
    // States by which of the schemas of "contains" some item has satisfied, one bit each.
    let found = 1 << contained.count
    /// Items from `before`, to the states behind them.
    func addItems(
      _ index: Int?, _ seen: Int, from: Int32, to after: [Int32], _ builder: inout RuleBuilder
    ) throws(StructuredOutputError) {
      let demands = shape.demands(onItem: index)
      for more in 0..<found where more & seen == 0 {
        let witnessed = contained.indices.filter { more >> $0 & 1 == 1 }.map { contained[$0] }
        let item = try rule(for: demands + witnessed)
        builder.addCall(item, from: from, to: after[seen | more])
      }
    }
    func makeStates(_ builder: inout RuleBuilder) -> [Int32] { (0..<found).map { _ in builder.makeState() } }
    var at = [Int32](repeating: -1, count: found)
    at[0] = open
    for index in 0..<last {
      try budget.spend(20 * found)
      let after = makeStates(&builder)
      for seen in 0..<found where at[seen] >= 0 {
        let spaced = builder.makeState()
        if index == 0 {
          builder.addCall(gap, from: at[seen], to: spaced)
        } else {
          addComma(to: &builder, from: at[seen], end: spaced, gap: gap)
        }
        try addItems(index < shape.prefixCount ? index : nil, seen, from: spaced, to: after, &builder)
      }
      if index + 1 >= minimum { builder.addCall(gap, from: after[found - 1], to: beforeEnd) }
      at = after
    }
    guard maximum == nil else { return }
    for seen in 0..<found {
      let spaced = builder.makeState()
      addComma(to: &builder, from: at[seen], end: spaced, gap: gap)
      try addItems(nil, seen, from: spaced, to: at, &builder)
    }
  }

  func addComma(to builder: inout RuleBuilder, from: Int32, end: Int32, gap: Int32) {
    let comma = builder.makeState()
    builder.addByte(",", from: from, to: comma)
    builder.addCall(gap, from: comma, to: end)
  }

  /// A call of the rule of such objects.
  func addObject(_ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32) throws(StructuredOutputError) {
    let key = shape.objectSignature
    if let known = objectRules[key] { return builder.addCall(known, from: from, to: end) }
    let object = try objectRule(shape)
    let rule = try grammar.reserveRule(shape.pointer)
    objectRules[key] = rule
    var inner = grammar.makeBuilder()
    try object.build(into: &inner, compiler: self, pointer: shape.pointer)
    try grammar.define(rule, inner)
    builder.addCall(rule, from: from, to: end)
  }

  private func objectRule(_ shape: Shape) throws(StructuredOutputError) -> ObjectRule {
    var object = ObjectRule()
    /// What is demanded of each of its members, then of others.
    var kinds: [[SchemaReference]] = []
    (object.minimum, object.maximum) = (shape.minimumMemberCount, shape.maximumMemberCount)
    let required = Set(shape.required.map { ExactString($0) })
    let names = shape.memberNames
    var forbidden: Set<ExactString> = []
    var demands: [(name: String, demands: [SchemaReference])] = []
    for name in names {
      let own = try normalizer.demands(shape, onMember: name)
      if own.contains(where: \.isFalse) { forbidden.insert(ExactString(name)) } else { demands.append((name, own)) }
    }
    // What needs a member that must not be there must not be there itself.
    var changed = !forbidden.isEmpty
    while changed {
      changed = false
      for pair in shape.companions
      where !forbidden.contains(ExactString(pair.name))
        && pair.needed.contains(where: { forbidden.contains(ExactString($0)) })
      {
        forbidden.insert(ExactString(pair.name))
        changed = true
      }
    }
    for (name, own) in demands where !forbidden.contains(ExactString(name)) {
      kinds.append(own)
      object.members.append(
        .init(name: name, isRequired: required.contains(ExactString(name)), rule: try rule(for: own)))
    }
    if let missing = shape.required.first(where: { forbidden.contains(ExactString($0)) }) {
      throw .contradictory(pointer: shape.pointer, reason: "the property \"\(missing)\" is required and not allowed")
    }
    for (name, needed) in shape.companions { object.companions[name, default: []] += needed }
    let areFree = shape.nameSchemas.isEmpty && shape.members.allSatisfy(\.patterns.isEmpty)
    for other in try normalizer.otherNames(shape, besides: names) {
      kinds.append(other.demands)
      object.others.append(.init(names: other.names, areFree: areFree, rule: try rule(for: other.demands)))
    }
    for witness in shape.witnesses { object.witnesses.append(try indices(of: witness, kinds, object, shape)) }
    return object
  }

  /// Which members would do for a witness.
  private func indices(
    of witness: Shape.Witness, _ kinds: [[SchemaReference]], _ object: ObjectRule, _ shape: Shape
  ) throws(StructuredOutputError) -> [Int] {
    let indices = kinds.indices.filter { index in
      kinds[index].contains { $0.pointer == witness.mark } == witness.isMarked
    }
    let otherCount = indices.count { $0 >= object.members.count }
    guard otherCount == 0 || otherCount == object.others.count else {
      throw .unsupported(
        keyword: "additionalProperties", pointer: shape.pointer,
        reason: "members whose names match some patterns and not others cannot be told apart here")
    }
    return indices
  }

  /// One listed value, with the whitespace that values have.
  func add(
    literal value: JSONValue, to builder: inout RuleBuilder, from: Int32, end: Int32, depth: Int
  ) throws(StructuredOutputError) {
    try budget.spend(200)
    guard depth <= SchemaNormalizer.depthLimit else {
      throw .tooLarge(
        what: "the nesting of a listed value", pointer: budget.pointer, limit: SchemaNormalizer.depthLimit)
    }
    switch value {
    case .null, .bool: builder.addLiteral(value.text(), from: from, to: end)
    case .number(let number):
      builder.addLiteral(number.text, from: from, to: end)
      // A whole number also without a point or exponent.
      if let whole = DecimalNumber(number)?.wholeText, whole != number.text {
        builder.addLiteral(whole, from: from, to: end)
      }
    case .string(let text):
      try budget.spend(20 * text.utf8.count)
      builder.addLiteral(JSONText.string(text), from: from, to: end)
    case .array(let elements):
      try addLiteralList("[", "]", count: elements.count, to: &builder, from: from, end: end) {
        (i, builder, from, end) throws(StructuredOutputError) in
        try self.add(literal: elements[i], to: &builder, from: from, end: end, depth: depth + 1)
      }
    case .object(let object):
      var members: [ObjectRule.Member] = []
      for (name, value) in object.members {
        let rule = try grammar.sharedRule("value \(inOrder) \(value.text())", name: budget.pointer) {
          (builder: inout RuleBuilder) throws(StructuredOutputError) in
          try self.add(literal: value, to: &builder, from: RuleBuilder.start, end: RuleBuilder.end, depth: depth + 1)
        }
        members.append(.init(name: name, isRequired: true, rule: rule))
      }
      let rule = try grammar.sharedRule("object \(inOrder) \(value.text())", name: budget.pointer) {
        (builder: inout RuleBuilder) throws(StructuredOutputError) in
        try ObjectRule(members: members).build(into: &builder, compiler: self, pointer: self.budget.pointer)
      }
      builder.addCall(rule, from: from, to: end)
    }
  }

  private func addLiteralList(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, count: Int, to builder: inout RuleBuilder, from: Int32, end: Int32,
    _ element: (Int, inout RuleBuilder, Int32, Int32) throws(StructuredOutputError) -> Void
  ) throws(StructuredOutputError) {
    var at = builder.makeState()
    builder.addByte(open, from: from, to: at)
    if count == 0 { return builder.addByte(close, from: at, to: end) }
    let gap = try gap()
    for i in 0..<count {
      let (spaced, after) = (builder.makeState(), builder.makeState())
      if i == 0 {
        builder.addCall(gap, from: at, to: spaced)
      } else {
        addComma(to: &builder, from: at, end: spaced, gap: gap)
      }
      try element(i, &builder, spaced, after)
      at = after
    }
    let closing = builder.makeState()
    builder.addCall(gap, from: at, to: closing)
    builder.addByte(close, from: closing, to: end)
  }
}
