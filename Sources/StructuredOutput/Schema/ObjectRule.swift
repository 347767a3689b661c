import JSON

/// Builds the part of a rule that writes objects of one shape.
///
/// The states say which named member may come next and, where properties are counted, how many are there.
struct ObjectRule {
  private struct Member {
    var name: String
    var isRequired: Bool
    var rule: Int32
  }

  /// How many properties are told apart, if counted at all.
  private static let countLimit = 1000

  private let shape: Shape
  private let compiler: SchemaCompiler
  private let gap: Int32
  private var members: [Member] = []
  /// The rule of unnamed members' values; nil where there may be none.
  private var others: Int32?
  private var isCounted = false
  /// States before the name of member `index` or a later one, with `count` members so far; index and count in one key.
  private var beforeName: [Int: Int32] = [:]
  /// States behind a member, where those from `index` on may follow.
  private var afterMember: [Int: Int32] = [:]
  private var beforeEnd: Int32 = 0
  private var pending: [(index: Int, count: Int)] = []

  init(_ shape: Shape, compiler: SchemaCompiler, gap: Int32) {
    self.shape = shape
    self.compiler = compiler
    self.gap = gap
  }

  mutating func add(to builder: inout RuleBuilder, from: Int32, end: Int32) throws(StructuredOutputError) {
    try collectMembers()
    let (open, first) = (builder.makeState(), builder.makeState())
    builder.addByte("{", from: from, to: open)
    beforeEnd = builder.makeState()
    builder.addByte("}", from: beforeEnd, to: end)
    if mayEnd(0, 0) { builder.addByte("}", from: open, to: end) }
    builder.addCall(gap, from: open, to: first)
    builder.addEmpty(from: first, to: state(beforeName: 0, count: 0, in: &builder))
    while let (index, count) = pending.popLast() {
      try compiler.budget.spend(4)
      if index < members.count {
        addNamed(index, count, to: &builder)
      } else {
        try addOther(count, to: &builder)
      }
    }
  }

  private mutating func collectMembers() throws(StructuredOutputError) {
    let required = Set(shape.required.map { ExactString($0) })
    let names = shape.memberNames
    for name in names {
      let demands = shape.demands(onMember: name)
      if demands.contains(where: \.isFalse) { continue }
      members.append(
        Member(name: name, isRequired: required.contains(ExactString(name)), rule: try compiler.rule(for: demands)))
    }
    let demands = shape.demandsOnOtherMembers
    if !demands.contains(where: \.isFalse) { others = try compiler.rule(for: demands) }
    let requiredCount = members.count(where: \.isRequired)
    isCounted = shape.minimumMemberCount > requiredCount
      || shape.maximumMemberCount.map { others != nil || $0 < members.count } ?? false
    guard isCounted else { return }
    // Two unnamed members may have the same name, so that only one is sure to count.
    let sure = members.count + (others == nil ? 0 : 1)
    guard shape.minimumMemberCount <= sure else {
      throw .unsupported(
        keyword: "minProperties", pointer: shape.pointer,
        reason: "only \(sure) properties can be told apart; name more of them in \"properties\"")
    }
    guard max(shape.minimumMemberCount, shape.maximumMemberCount ?? 0) <= Self.countLimit else {
      throw .tooLarge(what: "a count of properties", pointer: shape.pointer, limit: Self.countLimit)
    }
  }

  /// Counts are kept up to where they make no more difference.
  private func counted(_ count: Int) -> Int {
    isCounted ? min(count, max(shape.minimumMemberCount, (shape.maximumMemberCount ?? -1) + 1)) : 0
  }

  private func hasRoom(_ count: Int) -> Bool { !isCounted || count < shape.maximumMemberCount ?? .max }

  /// Whether an object may end that has `count` members, when those from `index` on are still to come.
  private func mayEnd(_ index: Int, _ count: Int) -> Bool {
    !members[index...].contains(where: \.isRequired) && (!isCounted || count >= shape.minimumMemberCount)
  }

  private mutating func state(beforeName index: Int, count: Int, in builder: inout RuleBuilder) -> Int32 {
    let key = count << 32 | index
    if let known = beforeName[key] { return known }
    let state = builder.makeState()
    beforeName[key] = state
    pending.append((index, count))
    return state
  }

  private mutating func state(afterMember index: Int, count: Int, in builder: inout RuleBuilder) -> Int32 {
    let key = count << 32 | index
    if let known = afterMember[key] { return known }
    let state = builder.makeState()
    afterMember[key] = state
    if mayEnd(index, count) { builder.addCall(gap, from: state, to: beforeEnd) }
    if hasRoom(count), index < members.count || others != nil {
      let comma = builder.makeState()
      builder.addByte(",", from: state, to: comma)
      let next = self.state(beforeName: index, count: count, in: &builder)
      builder.addCall(gap, from: comma, to: next)
    }
    return state
  }

  private mutating func addNamed(_ index: Int, _ count: Int, to builder: inout RuleBuilder) {
    let member = members[index]
    let before = beforeName[count << 32 | index]!
    if hasRoom(count) {
      let value = compiler.addKey(member.name, to: &builder, from: before)
      builder.addCall(
        member.rule, from: value, to: state(afterMember: index + 1, count: counted(count + 1), in: &builder))
    }
    if !member.isRequired {
      builder.addEmpty(from: before, to: state(beforeName: index + 1, count: count, in: &builder))
    }
  }

  private mutating func addOther(_ count: Int, to builder: inout RuleBuilder) throws(StructuredOutputError) {
    // Others may all have one name: they are sure to make one property.
    guard let others, hasRoom(count), !isCounted || count + 1 >= shape.minimumMemberCount else { return }
    let before = beforeName[count << 32 | members.count]!
    let named = builder.makeState()
    let names = shape.memberNames
    if names.isEmpty {
      builder.addCall(try compiler.anyString(), from: before, to: named)
    } else {
      let free = try ScalarAutomaton.all.subtracting(.oneOf(names, budget: compiler.budget), budget: compiler.budget)
      try compiler.addQuoted(free, to: &builder, from: before, end: named)
    }
    let value = compiler.addColon(to: &builder, from: named)
    let after = builder.makeState()
    builder.addCall(others, from: value, to: after)
    builder.addEmpty(from: after, to: state(afterMember: members.count, count: counted(count + 1), in: &builder))
  }
}
