import JSON

extension SchemaCompiler {
  static let comparedLimit = 10_000

  /// The rule of arrays of strings, or of numbers, none of which comes twice: the record holds their texts, so that
  /// each value must have one text only.
  func uniqueItems(_ shape: Shape) throws(StructuredOutputError) -> Int32 {
    func unsupported(_ reason: String) -> StructuredOutputError {
      .unsupported(keyword: "uniqueItems", pointer: shape.pointer, reason: reason)
    }
    guard shape.prefixCount == 0, shape.contained.isEmpty else {
      throw unsupported("items in positions of their own, or with \"contains\", are not compared")
    }
    var strings: ScalarAutomaton?
    var numbers: [(isNegative: Bool, automaton: ScalarAutomaton)] = []
    for item in try normalizer.possibleShapes(of: shape.demands(onItem: nil)) {
      if let values = item.values {
        let (texts, integers) = (values.compactMap(\.string), values.compactMap(\.exactInt))
        guard texts.count + integers.count == values.count else {
          throw unsupported("of listed values only strings and integers are compared")
        }
        if !texts.isEmpty {
          let listed = try ScalarAutomaton.oneOf(texts, budget: budget)
          strings = try strings?.union(listed, budget: budget) ?? listed
        }
        guard integers.isEmpty || numbers.isEmpty else {
          throw unsupported("numbers of several kinds are not compared")
        }
        for isNegative in [false, true] {
          let digits = integers.filter { ($0 < 0) == isNegative }.map { "\($0.magnitude)" }
          if !digits.isEmpty { numbers.append((isNegative, try .oneOf(digits, budget: budget))) }
        }
        continue
      }
      guard item.types.isSubset(of: [.string, .number]) else {
        throw unsupported("only strings and numbers are compared; leave it out, and check for duplicates afterwards")
      }
      if item.types.contains(.string) {
        let some = try normalizer.strings(of: item)
        strings = try strings?.union(some, budget: budget) ?? some
      }
      if !item.types.isDisjoint(with: .number) {
        guard numbers.isEmpty else { throw unsupported("numbers of several kinds are not compared") }
        let automata = try NumberAutomata(item.number, types: item.types, isUnique: true, budget: budget)
        numbers += automata.nonNegative.map { (false, $0) } + automata.negative.map { (true, $0) }
      }
    }
    // Inside of strings a mask asks what each token would make of the text: that takes any strings, or few.
    if let strings, !strings.isEverything, strings.count(atMost: Self.comparedLimit) == nil {
      throw unsupported("strings that are restricted are compared only where there are \(Self.comparedLimit) at most")
    }
    let rule = try grammar.reserveRule(shape.pointer)
    var builder = grammar.makeBuilder()
    builder.table = .items(ItemTable(minimum: shape.minimumItemCount, maximum: shape.itemCountLimit))
    try addItems(strings, numbers, to: &builder)
    try grammar.define(rule, builder)
    return rule
  }

  private func addItems(
    _ strings: ScalarAutomaton?, _ numbers: [(isNegative: Bool, automaton: ScalarAutomaton)],
    to builder: inout RuleBuilder
  ) throws(StructuredOutputError) {
    let gap = try gap()
    let (open, before, after, comma) = (
      builder.makeState(), builder.makeState(), builder.makeState(), builder.makeState()
    )
    let (beforeEnd, end) = (builder.makeState(), RuleBuilder.end)
    builder.addByte("[", from: RuleBuilder.start, to: open)
    builder.addByte("]", from: open, to: end)
    builder.addCall(gap, from: open, to: before)
    builder.addByte(",", from: after, to: comma)
    builder.addCall(gap, from: comma, to: before)
    builder.addCall(gap, from: after, to: beforeEnd)
    builder.addByte("]", from: beforeEnd, to: end)
    builder.addGate(.item(completions: 0), at: before)
    builder.addGate(.moreItems, at: comma)
    builder.addGate(.closing, at: beforeEnd)
    builder.addGate(.closing, at: end)
    if let strings, !strings.isEmpty {
      try budget.spend(strings.stateCount * (8 * strings.alphabet.count + 80))
      let (inside, closed) = (builder.makeState(), builder.makeState())
      builder.addByte("\"", from: before, to: inside)
      let states = builder.add(strings, as: .unsharedString, from: inside, to: closed)
      if strings.isEverything { for state in states { builder.addContent(.single, at: state) } }
      builder.addByte("\"", from: closed, to: after)
      builder.addGate(.itemEnded, at: after)
    }
    for (isNegative, automaton) in numbers {
      let (signed, ended) = (builder.makeState(), builder.makeState())
      if isNegative {
        builder.addByte("-", from: before, to: signed)
      } else {
        builder.addEmpty(from: before, to: signed)
      }
      builder.add(automaton, as: .plain, from: signed, to: ended)
      // A number ends where what follows begins.
      builder.addByte(",", from: ended, to: comma)
      builder.addCall(gap, from: ended, to: beforeEnd)
    }
  }
}
