/// How many calls deep the shallowest completion of each state goes.
enum Heights {
  /// The height of a state without any completion.
  static let none = Int32.max

  /// A state has height at most `h` when it accepts, has an edge to such a state, or a call whose rule has height at
  /// most `h - 1` and whose return state has height at most `h`. Found level by level, backwards from what accepts.
  static func compute(_ assembly: Assembly, budget: CompileBudget) throws(StructuredOutputError) -> [Int32] {
    let count = assembly.stateCount
    var heights = [Int32](repeating: none, count: count)
    let predecessors = try Predecessors(assembly, budget: budget)
    var callers: [(from: Int32, call: PushdownAutomaton.Edge)] = []
    var returning = [[Int32]](repeating: [], count: count)
    // Calls in the place of the caller, by the state they begin in.
    var replacing: [Int32: [Int32]] = [:]
    for state in 0..<count {
      for call in assembly.calls[state] {
        returning[Int(call.target)].append(Int32(callers.count))
        if assembly.onlyAccepts[Int(call.target)] {
          replacing[assembly.starts[Int(call.label)], default: []].append(Int32(callers.count))
        }
        callers.append((Int32(state), call))
      }
    }
    var objects = assembly.tables.keys.filter { assembly.members($0) != nil }.sorted()
    var level: Int32 = 0
    while true {
      var queue: [Int32] = []
      func reach(_ state: Int32) {
        if heights[Int(state)] == none {
          heights[Int(state)] = level
          queue.append(state)
        }
      }
      func satisfied(_ call: PushdownAutomaton.Edge) -> Bool {
        let start = heights[Int(assembly.starts[Int(call.label)])]
        return heights[Int(call.target)] <= level
          && (assembly.onlyAccepts[Int(call.target)] ? start <= level : start < level)
      }
      if level == 0 {
        for state in 0..<count where assembly.accepts[state] && assembly.members(assembly.ruleOf[state]) == nil {
          reach(Int32(state))
        }
      } else {
        for (from, call) in callers where satisfied(call) { reach(from) }
      }
      // An object ends where its members can.
      for rule in objects {
        guard let members = assembly.members(rule),
          members.isSatisfied({ heights[Int(assembly.starts[Int($0)])] < level })
        else { continue }
        for state in assembly.states(of: rule) where assembly.accepts[state] { reach(Int32(state)) }
      }
      objects.removeAll { rule in assembly.states(of: rule).contains { assembly.accepts[$0] && heights[$0] != none } }
      try budget.spend(callers.count + 10 * objects.count)
      if queue.isEmpty { return heights }
      while let state = queue.popLast() {
        for from in predecessors[state] { reach(from) }
        for index in returning[Int(state)] where satisfied(callers[Int(index)].call) {
          reach(callers[Int(index)].from)
        }
        for index in replacing[state] ?? [] where satisfied(callers[Int(index)].call) {
          reach(callers[Int(index)].from)
        }
      }
      level += 1
    }
  }
}

/// The states with an edge for bytes or a token to each state.
private struct Predecessors {
  private var starts: [Int32]
  private var sources: [Int32]

  init(_ assembly: Assembly, budget: CompileBudget) throws(StructuredOutputError) {
    var edges: [(from: Int32, target: Int32)] = []
    for state in 0..<assembly.stateCount {
      var last: Int32 = -1
      for i in assembly.row(state) where assembly.transitions[i] >= 0 && assembly.transitions[i] != last {
        last = assembly.transitions[i]
        edges.append((Int32(state), last))
      }
      for token in assembly.tokens[state] { edges.append((Int32(state), token.target)) }
    }
    try budget.spend(edges.count)
    starts = [Int32](repeating: 0, count: assembly.stateCount + 1)
    for edge in edges { starts[Int(edge.target) + 1] += 1 }
    for i in 0..<assembly.stateCount { starts[i + 1] += starts[i] }
    sources = [Int32](repeating: 0, count: edges.count)
    var next = starts
    for edge in edges {
      sources[Int(next[Int(edge.target)])] = edge.from
      next[Int(edge.target)] += 1
    }
  }

  subscript(state: Int32) -> ArraySlice<Int32> { sources[Int(starts[Int(state)])..<Int(starts[Int(state) + 1])] }
}

/// A rule that calls itself before anything is read would call without end.
enum LeftRecursion {
  static func check(_ assembly: Assembly, names: [String]) throws(StructuredOutputError) {
    let ruleCount = assembly.starts.count
    var canBeEmpty = [Bool](repeating: false, count: ruleCount)
    // The rules each rule calls before it has read anything; grows with what can be empty.
    var first = [Set<Int32>](repeating: [], count: ruleCount)
    var changed = true
    while changed {
      changed = false
      for rule in 0..<ruleCount {
        var seen: Set<Int32> = [assembly.starts[rule]]
        var stack = [assembly.starts[rule]]
        while let state = stack.popLast() {
          if assembly.accepts[Int(state)], !canBeEmpty[rule] {
            canBeEmpty[rule] = true
            changed = true
          }
          for call in assembly.calls[Int(state)] {
            first[rule].insert(call.label)
            if canBeEmpty[Int(call.label)], seen.insert(call.target).inserted { stack.append(call.target) }
          }
        }
      }
    }
    // Rules from which only finitely many calls can follow are taken away until none is left or all lie before a cycle.
    var waiting = first.map(\.count)
    var calledBy = [[Int]](repeating: [], count: ruleCount)
    for (rule, called) in first.enumerated() { for other in called { calledBy[Int(other)].append(rule) } }
    var done = waiting.indices.filter { waiting[$0] == 0 }
    var count = 0
    while let rule = done.popLast() {
      count += 1
      for caller in calledBy[rule] {
        waiting[caller] -= 1
        if waiting[caller] == 0 { done.append(caller) }
      }
    }
    if count < ruleCount, let rule = waiting.indices.first(where: { waiting[$0] > 0 }) {
      throw .contradictory(pointer: names[rule], reason: "it refers to itself before anything is written")
    }
  }
}
