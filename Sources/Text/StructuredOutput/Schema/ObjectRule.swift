import JSON

/// Builds the rule of one kind of objects: members in any order or as they are declared, none of the named ones twice.
///
/// Its states say where in the text of an object a sequence stands; which members it has is kept beside them, and the
/// gates of states ask for that (`MemberTable`).
struct ObjectRule {
  struct Member {
    var name: String
    var isRequired: Bool
    var rule: Int32
  }
  /// Members with other names: these, or any where there is no automaton.
  struct Others {
    var names: ScalarAutomaton?
    /// Whether these are all names but those of the members.
    var areFree = false
    var rule: Int32
  }

  /// How many properties are counted.
  private static let countLimit = 100_000

  var members: [Member] = []
  var others: [Others] = []
  var minimum = 0
  var maximum: Int?
  /// Names that must come along with a name.
  var companions: [String: [String]] = [:]
  /// For each demand for a member of some kind, the indices of those that are, others behind the named ones.
  var witnesses: [[Int]] = []

  func build(into builder: inout RuleBuilder, compiler: SchemaCompiler, pointer: String) throws(StructuredOutputError) {
    builder.table = .members(try table(pointer, inOrder: compiler.inOrder))
    let gap = try compiler.gap()
    let (open, before, after, comma) = (
      builder.makeState(), builder.makeState(), builder.makeState(), builder.makeState()
    )
    let (beforeEnd, end) = (builder.makeState(), RuleBuilder.end)
    let nothing = ClassSet(capacity: members.count + others.count)
    builder.addByte("{", from: RuleBuilder.start, to: open)
    builder.addByte("}", from: open, to: end)
    builder.addCall(gap, from: open, to: before)
    builder.addByte(",", from: after, to: comma)
    builder.addCall(gap, from: comma, to: before)
    builder.addCall(gap, from: after, to: beforeEnd)
    builder.addByte("}", from: beforeEnd, to: end)
    builder.addGate(.naming(nothing), at: before)
    builder.addGate(.naming(nothing), at: comma)
    builder.addGate(.closing, at: beforeEnd)
    builder.addGate(.closing, at: end)
    var values: [Int32: Int32] = [:]
    func addValue(_ index: Int, _ rule: Int32, to builder: inout RuleBuilder) -> Int32 {
      let named = builder.makeState()
      builder.addGate(.named(index), at: named)
      let value: Int32
      if let known = values[rule] {
        value = known
      } else {
        value = builder.makeState()
        values[rule] = value
        let spaced = builder.makeState()
        builder.addByte(" ", from: value, to: spaced)
        builder.addEmpty(from: value, to: spaced)
        builder.addCall(rule, from: spaced, to: after)
      }
      builder.addByte(":", from: named, to: value)
      return named
    }
    for (index, member) in members.enumerated() {
      try compiler.budget.spend(20 + 4 * member.name.utf8.count)
      builder.addLiteral(JSONText.string(member.name), from: before, to: addValue(index, member.rule, to: &builder))
    }
    for (index, other) in others.enumerated() {
      let named = addValue(members.count + index, other.rule, to: &builder)
      if let names = other.names {
        try compiler.addQuoted(names, isFree: other.areFree, to: &builder, from: before, end: named)
      } else {
        builder.addCall(try compiler.anyString(), from: before, to: named)
      }
    }
  }

  private func table(_ pointer: String, inOrder: Bool) throws(StructuredOutputError) -> MemberTable {
    let count = members.count + others.count
    var required = ClassSet(capacity: count)
    var numbers: [ExactString: Int] = [:]
    for (index, member) in members.enumerated() {
      numbers[ExactString(member.name)] = index
      if member.isRequired { required.insert(index) }
    }
    var table = MemberTable(
      rules: members.map(\.rule) + others.map(\.rule), namedCount: members.count, required: required)
    (table.minimum, table.maximum, table.isOrdered) = (minimum, maximum, inOrder)
    let sure = members.count + (others.isEmpty ? 0 : 1)
    guard minimum <= sure else {
      throw .unsupported(
        keyword: "minProperties", pointer: pointer,
        reason: "only \(sure) properties can be told apart; name more of them in \"properties\"")
    }
    guard max(minimum, maximum ?? 0) <= Self.countLimit else {
      throw .tooLarge(what: "a count of properties", pointer: pointer, limit: Self.countLimit)
    }
    table.witnesses = witnesses.map { indices in
      var set = ClassSet(capacity: count)
      for index in indices { set.insert(index) }
      return set
    }
    if companions.isEmpty { return table }
    guard minimum <= 1, maximum == nil else {
      throw .unsupported(
        keyword: minimum > 1 ? "minProperties" : "maxProperties", pointer: pointer,
        reason: "properties that depend on one another cannot be counted as well")
    }
    table.companions = Self.closure(companions, numbers, count: count)
    // What required members need is required.
    for index in required.indices { if let more = table.companions[index] { table.required.formUnion(more) } }
    return table
  }

  /// What each member needs, with what that needs in turn. Members that need one that there is not need themselves
  /// twice: they are left out by the caller.
  private static func closure(
    _ companions: [String: [String]], _ numbers: [ExactString: Int], count: Int
  ) -> [Int: ClassSet] {
    var closed: [Int: ClassSet] = [:]
    for (name, needed) in companions {
      guard let index = numbers[ExactString(name)] else { continue }
      var set = ClassSet(capacity: count)
      for other in needed { if let other = numbers[ExactString(other)] { set.insert(other) } }
      closed[index] = set
    }
    var changed = true
    while changed {
      changed = false
      for (index, set) in closed {
        for other in set.indices {
          if let more = closed[other], closed[index]?.formUnion(more) == true { changed = true }
        }
      }
    }
    return closed
  }
}
