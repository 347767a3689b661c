import JSON

extension SchemaCompiler {
  /// '[' items ']', counted as far as the schema counts them.
  func addArray(
    _ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    let minimum = shape.minimumItemCount
    let maximum = shape.itemCountLimit
    // Beyond this many items one more changes nothing, or there are no more.
    let last = maximum ?? max(minimum, shape.prefixCount, 1)
    guard last <= Self.itemLimit else {
      throw .tooLarge(what: "a count of items", pointer: shape.pointer, limit: Self.itemLimit)
    }
    let open = builder.makeState()
    builder.addByte("[", from: from, to: open)
    if minimum == 0 { builder.addByte("]", from: open, to: end) }
    if last == 0 { return }
    let gap = try gap()
    let beforeEnd = builder.makeState()
    builder.addByte("]", from: beforeEnd, to: end)
    var at = open
    for index in 0..<last {
      let spaced = builder.makeState()
      let after = builder.makeState()
      if index == 0 {
        builder.addCall(gap, from: at, to: spaced)
      } else {
        addComma(to: &builder, from: at, end: spaced, gap: gap)
      }
      let item = try rule(for: shape.demands(onItem: index < shape.prefixCount ? index : nil))
      builder.addCall(item, from: spaced, to: after)
      if index + 1 >= minimum { builder.addCall(gap, from: after, to: beforeEnd) }
      at = after
    }
    guard maximum == nil else { return }
    let spaced = builder.makeState()
    addComma(to: &builder, from: at, end: spaced, gap: gap)
    builder.addCall(try rule(for: shape.demands(onItem: nil)), from: spaced, to: at)
  }

  private func addComma(to builder: inout RuleBuilder, from: Int32, end: Int32, gap: Int32) {
    let comma = builder.makeState()
    builder.addByte(",", from: from, to: comma)
    builder.addCall(gap, from: comma, to: end)
  }

  /// '{' members '}': the named ones in their order, each with its demands, then others under names of their own.
  func addObject(
    _ shape: Shape, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    var object = ObjectRule(shape, compiler: self, gap: try gap())
    try object.add(to: &builder, from: from, end: end)
  }

  /// One listed value, with the whitespace that values have.
  func add(
    literal value: JSONValue, to builder: inout RuleBuilder, from: Int32, end: Int32, depth: Int
  ) throws(StructuredOutputError) {
    try budget.spend(200)
    guard depth <= SchemaNormalizer.depthLimit else {
      throw .tooLarge(what: "the nesting of a listed value", pointer: budget.pointer, limit: SchemaNormalizer.depthLimit)
    }
    switch value {
    case .null, .bool, .number: builder.addLiteral(value.text(), from: from, to: end)
    case .string(let text):
      try budget.spend(20 * text.utf8.count)
      builder.addLiteral(JSONText.string(text), from: from, to: end)
    case .array(let elements):
      try addLiteralList("[", "]", count: elements.count, to: &builder, from: from, end: end) {
        (i, builder, from, end) throws(StructuredOutputError) in
        try self.add(literal: elements[i], to: &builder, from: from, end: end, depth: depth + 1)
      }
    case .object(let object):
      try addLiteralList("{", "}", count: object.count, to: &builder, from: from, end: end) {
        (i, builder, from, end) throws(StructuredOutputError) in
        let start = self.addKey(object.keys[i], to: &builder, from: from)
        try self.add(literal: object.values[i], to: &builder, from: start, end: end, depth: depth + 1)
      }
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

  /// A name with its quotes, the colon and a space or none; returns where the value begins.
  func addKey(_ name: String, to builder: inout RuleBuilder, from: Int32) -> Int32 {
    let named = builder.makeState()
    builder.addLiteral(JSONText.string(name), from: from, to: named)
    return addColon(to: &builder, from: named)
  }

  func addColon(to builder: inout RuleBuilder, from: Int32) -> Int32 {
    let (colon, value) = (builder.makeState(), builder.makeState())
    builder.addByte(":", from: from, to: colon)
    builder.addByte(" ", from: colon, to: value)
    builder.addEmpty(from: colon, to: value)
    return value
  }
}
