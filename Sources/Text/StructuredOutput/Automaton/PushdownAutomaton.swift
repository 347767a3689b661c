/// All rules of a grammar in one numbering of states; rule 0 is the whole output.
///
/// Every state that is left has a completion: those without one are cut off when the automaton is made.
struct PushdownAutomaton: Sendable {
  struct Edge: Sendable {
    var label: Int32
    var target: Int32
  }

  /// How deep calls may nest. Values of JSON nest one call a level, so that outputs stay below the 128 levels that
  /// `JSONLimits` admits.
  static let depthLimit: Int32 = 120

  /// [256] for each rule.
  private let classes: [UInt8]
  private let classBase: [Int32]
  private let rowStart: [Int32]
  private let transitions: [Int32]
  let accepts: [Bool]
  private let callStart: [Int32]
  private let callEdges: [Edge]
  private let tokenStart: [Int32]
  private let tokenEdges: [Edge]
  /// The first state of each rule.
  let starts: [Int32]
  /// How many calls deep the shallowest completion of a state goes.
  let heights: [Int32]
  /// Whether a state has an edge for some byte or token.
  let reads: [Bool]
  /// Bytes that no rule tells apart, by byte.
  let sharedClasses: [UInt8]
  let sharedClassCount: Int
  /// Whether a state does nothing but end its rule.
  let onlyAccepts: [Bool]
  /// States between characters of strings in which any character may follow.
  let contents: [Int32: StringContent.Spelling]
  /// The number of a state's gate, -1 for none.
  private let gateOf: [Int32]
  private let gates: [(table: Int32, gate: MemberGate)]
  private let tables: [RecordTable]
  /// The tables of the rules of states in `contents`.
  private let tableOfContent: [Int32: Int32]
  /// The table of the rule that begins in a state, -1 for all others.
  private let tableOfStart: [Int32]

  var stateCount: Int { accepts.count }
  /// Of its tables, about.
  var byteCount: Int {
    classes.count + 4 * transitions.count + 8 * (callEdges.count + tokenEdges.count) + 32 * stateCount
  }

  func calls(_ state: Int32) -> ArraySlice<Edge> {
    callEdges[Int(callStart[Int(state)])..<Int(callStart[Int(state) + 1])]
  }

  func tokens(_ state: Int32) -> ArraySlice<Edge> {
    tokenEdges[Int(tokenStart[Int(state)])..<Int(tokenStart[Int(state) + 1])]
  }

  /// The state after `byte`, -1 where there is none.
  func next(_ state: Int32, _ byte: UInt8) -> Int32 {
    let column = classes[Int(classBase[Int(state)]) + Int(byte)]
    return transitions[Int(rowStart[Int(state)]) + Int(column)]
  }

  /// The record with which the rule that begins in `state` begins; nil where it has none.
  func initialRecord(_ state: Int32) -> ObjectRecord.Content? {
    let table = tableOfStart[Int(state)]
    return table < 0 ? nil : tables[Int(table)].initial
  }

  enum Entry {
    /// The state may be entered, and the members stay as they are.
    case open
    case changed(ObjectRecord.Content)
    case shut
  }

  /// Whether a state of `contents` lies in an item that must be new.
  func comparesItems(_ state: Int32) -> Bool {
    if let table = tableOfContent[state], case .items = tables[Int(table)] { return true }
    return false
  }

  /// How many characters may follow in a state of `contents`; nil where not any may.
  func characterRoom(_ state: Int32, _ record: ObjectRecord?, room: Int32) -> Int? {
    let table = tableOfContent[state].map { tables[Int($0)] }
    guard room > 1 else { return nil }
    switch table {
    case nil: return .max
    case .items(let items): return items.completions == .max ? .max : nil
    case .length(let length): return length.maximum.map { $0 - (record?.content.otherCount ?? 0) } ?? .max
    case .members(let members):
      // A name that no schema mentions can be made of any characters.
      guard let record, members.rules.count == members.namedCount + 1, members.maximum == nil else { return nil }
      return members.admits(members.namedCount, to: record.content, room: room) ? .max : nil
    }
  }

  /// What the gate of `state` says where the rule has `record` so far, and calls may go `room` deep. `byte` is what
  /// has led there, if one has.
  func enter(_ state: Int32, _ record: ObjectRecord?, byte: UInt8?, room: Int32) -> Entry {
    let number = gateOf[Int(state)]
    guard number >= 0, let content = record?.content else { return .open }
    let (table, gate) = gates[Int(number)]
    switch (tables[Int(table)], gate) {
    case (.members(let members), .naming(let classes)):
      return members.admits(anyOf: classes, to: content, room: room) ? .open : .shut
    case (.members(let members), .named(let index)):
      return members.admits(index, to: content, room: room) ? .changed(members.adding(index, to: content)) : .shut
    case (.members(let members), .closing): return members.isComplete(content) ? .open : .shut
    case (.length(let length), .character(let distance)):
      guard let count = length.adding(to: content.otherCount, distance: distance) else { return .shut }
      if count == content.otherCount { return .open }
      return .changed(ObjectRecord.Content(named: content.named, otherCount: count))
    case (.length(let length), .within(let distance)):
      return length.adding(to: content.otherCount, distance: distance) == nil ? .shut : .open
    case (.length(let length), .closing): return content.otherCount >= length.minimum ? .open : .shut
    case (.items(let items), .item(let completions)):
      return changed(items.spelling(byte, content, completions: completions), from: content)
    case (.items(let items), .itemEnded): return changed(items.ended(content), from: content)
    case (.items(let items), .moreItems):
      return changed(items.ended(content).flatMap { items.admitsMore($0) ? $0 : nil }, from: content)
    case (.items(let items), .closing):
      return changed(items.ended(content).flatMap { items.isComplete($0) ? $0 : nil }, from: content)
    default: return .open
    }
  }

  private func changed(_ content: ObjectRecord.Content?, from old: ObjectRecord.Content) -> Entry {
    guard let content else { return .shut }
    return content == old ? .open : .changed(content)
  }

  /// `names[r]` says where rule `r` comes from, for errors.
  init(_ rules: [RuleAutomaton], names: [String], budget: CompileBudget) throws(StructuredOutputError) {
    var assembly = Assembly(rules)
    try LeftRecursion.check(assembly, names: names)
    let heights = try Heights.compute(assembly, budget: budget)
    guard heights[0] != Heights.none else { throw Self.failure(assembly, heights: heights, names: names) }
    guard heights[0] <= Self.depthLimit else {
      throw .tooLarge(what: "the nesting that every output needs", pointer: names[0], limit: Int(Self.depthLimit))
    }
    assembly.cutDeadEnds(heights)
    classes = assembly.classes
    classBase = assembly.ruleOf.map { $0 * 256 }
    rowStart = assembly.rowStart
    transitions = assembly.transitions
    accepts = assembly.accepts
    starts = assembly.starts
    self.heights = heights
    (callStart, callEdges) = Self.flatten(assembly.calls)
    (tokenStart, tokenEdges) = Self.flatten(assembly.tokens)
    reads = assembly.reads
    (sharedClasses, sharedClassCount) = assembly.sharedClasses()
    onlyAccepts = assembly.onlyAccepts
    var tables: [RecordTable] = []
    var tableOfStart = [Int32](repeating: -1, count: assembly.stateCount)
    var gates: [(table: Int32, gate: MemberGate)] = []
    var gateOf = tableOfStart
    var tableOfContent: [Int32: Int32] = [:]
    for (rule, table) in assembly.tables.sorted(by: { $0.key < $1.key }) {
      var table = table
      if case .members(var members) = table {
        members.settle { heights[Int(assembly.starts[Int($0)])] }
        table = .members(members)
      }
      let base = assembly.starts[Int(rule)]
      tableOfStart[Int(base)] = Int32(tables.count)
      for (state, gate) in assembly.gates[rule] ?? [:] {
        gateOf[Int(base + state)] = Int32(gates.count)
        gates.append((Int32(tables.count), gate))
      }
      for state in (assembly.contents[rule] ?? [:]).keys { tableOfContent[base + state] = Int32(tables.count) }
      tables.append(table)
    }
    var contents: [Int32: StringContent.Spelling] = [:]
    for (rule, states) in assembly.contents {
      for (state, spelling) in states { contents[assembly.starts[Int(rule)] + state] = spelling }
    }
    (self.contents, self.tableOfContent) = (contents, tableOfContent)
    (self.tables, self.tableOfStart, self.gates, self.gateOf) = (tables, tableOfStart, gates, gateOf)
  }

  private static func flatten(_ lists: [[Edge]]) -> ([Int32], [Edge]) {
    var starts: [Int32] = [0]
    var edges: [Edge] = []
    for list in lists {
      edges += list
      starts.append(Int32(edges.count))
    }
    return (starts, edges)
  }

  /// Names a rule that cannot end although all it may call can, or else one that only calls itself.
  private static func failure(_ assembly: Assembly, heights: [Int32], names: [String]) -> StructuredOutputError {
    var seen: Set<Int32> = [0]
    var stack: [Int32] = [0]
    var blamed: Int32 = 0
    while let rule = stack.popLast() {
      var dead: Set<Int32> = []
      for state in assembly.states(of: rule) {
        for call in assembly.calls[state] where heights[Int(assembly.starts[Int(call.label)])] == Heights.none {
          dead.insert(call.label)
        }
      }
      blamed = rule
      if dead.isEmpty { break }
      for next in dead.sorted() where seen.insert(next).inserted { stack.append(next) }
    }
    return .contradictory(
      pointer: names[Int(blamed)],
      reason: "no output ends: it demands itself without end, or bytes the vocabulary has no tokens for")
  }
}

/// The rules side by side, as they are put into one numbering.
struct Assembly {
  var classes: [UInt8] = []
  var ruleOf: [Int32] = []
  var rowStart: [Int32] = []
  var transitions: [Int32] = []
  var classCounts: [Int] = []
  var accepts: [Bool] = []
  var calls: [[PushdownAutomaton.Edge]] = []
  var tokens: [[PushdownAutomaton.Edge]] = []
  var starts: [Int32] = []
  /// Of rules that count.
  var tables: [Int32: RecordTable] = [:]
  var gates: [Int32: [Int32: MemberGate]] = [:]
  var contents: [Int32: [Int32: StringContent.Spelling]] = [:]
  var onlyAccepts: [Bool] = []

  init(_ rules: [RuleAutomaton]) {
    for (number, rule) in rules.enumerated() {
      let base = Int32(accepts.count)
      starts.append(base)
      classes += rule.classes
      classCounts.append(rule.classCount)
      for state in 0..<rule.stateCount {
        ruleOf.append(Int32(number))
        rowStart.append(Int32(transitions.count + state * rule.classCount))
        calls.append(rule.calls[state].map { .init(label: $0.label, target: $0.target + base) })
        tokens.append(rule.tokens[state].map { .init(label: $0.label, target: $0.target + base) })
      }
      accepts += rule.accepts
      for target in rule.transitions { transitions.append(target < 0 ? -1 : target + base) }
      if !rule.contents.isEmpty { contents[Int32(number)] = rule.contents }
      if let table = rule.table {
        tables[Int32(number)] = table
        gates[Int32(number)] = rule.gates
      }
    }
    onlyAccepts = accepts.indices.map { state in
      accepts[state] && calls[state].isEmpty && tokens[state].isEmpty && row(state).allSatisfy { transitions[$0] < 0 }
    }
  }

  var stateCount: Int { accepts.count }

  func members(_ rule: Int32) -> MemberTable? {
    if case .members(let members)? = tables[rule] { members } else { nil }
  }

  func states(of rule: Int32) -> Range<Int> {
    let end = Int(rule) + 1 < starts.count ? Int(starts[Int(rule) + 1]) : stateCount
    return Int(starts[Int(rule)])..<end
  }

  /// Where the bytes of a state's row lead.
  func row(_ state: Int) -> Range<Int> {
    let start = Int(rowStart[state])
    return start..<start + classCounts[Int(ruleOf[state])]
  }

  mutating func cutDeadEnds(_ heights: [Int32]) {
    for i in transitions.indices where transitions[i] >= 0 && heights[Int(transitions[i])] == Heights.none {
      transitions[i] = -1
    }
    for state in 0..<stateCount {
      calls[state].removeAll {
        heights[Int($0.target)] == Heights.none || heights[Int(starts[Int($0.label)])] == Heights.none
      }
      tokens[state].removeAll { heights[Int($0.target)] == Heights.none }
    }
  }

  var reads: [Bool] {
    (0..<stateCount).map { state in
      !tokens[state].isEmpty || row(state).contains { transitions[$0] >= 0 }
    }
  }

  func sharedClasses() -> ([UInt8], Int) {
    var result = [UInt8](repeating: 0, count: 256)
    var current = 0
    for byte in 1..<256 {
      let rules = stride(from: 0, to: classes.count, by: 256)
      let differs = rules.contains { classes[$0 + byte] != classes[$0 + byte - 1] }
      if differs { current += 1 }
      result[byte] = UInt8(current)
    }
    return (result, current + 1)
  }
}
