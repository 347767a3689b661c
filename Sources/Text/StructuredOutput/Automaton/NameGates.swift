/// Finds out which members the states inside of names can still lead to.
enum NameGates {
  /// `marked` has the gates of states where names have ended, where all of an object ends, and, as `.naming` of
  /// nothing, of those before names, which come to lead to all.
  static func make(
    _ rule: RuleAutomaton, marked: [Int32: MemberGate], budget: CompileBudget
  ) throws(StructuredOutputError) -> [Int32: MemberGate] {
    var sources = rule.predecessors
    for (state, calls) in rule.calls.enumerated() {
      for call in calls { sources[Int(call.target)].append(Int32(state)) }
    }
    var gates = marked
    guard case .members(let members)? = rule.table else { return marked }
    let capacity = members.rules.count
    var reached: [Int32: ClassSet] = [:]
    var queue: [Int32] = []
    for (state, gate) in marked {
      guard case .named(let index) = gate else { continue }
      reached[state, default: ClassSet(capacity: capacity)].insert(index)
      queue.append(state)
    }
    queue.sort()
    while let state = queue.popLast(), let classes = reached[state] {
      try budget.spend(2 + sources[Int(state)].count * (1 + capacity / 64))
      if case .naming? = marked[state] { continue }
      for source in sources[Int(state)] {
        if reached[source, default: ClassSet(capacity: capacity)].formUnion(classes) { queue.append(source) }
      }
    }
    var all = ClassSet(capacity: capacity)
    for (state, classes) in reached {
      if case .named? = gates[state] { continue }
      if case .naming? = gates[state] { all.formUnion(classes) } else { gates[state] = .naming(classes) }
    }
    for (state, gate) in marked { if case .naming = gate { gates[state] = .naming(all) } }
    return gates
  }
}
