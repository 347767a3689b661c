/// Closes states in the middle of a character where no string is short enough in which it could end.
enum LengthGates {
  /// `marked` has the gates of states between characters.
  static func make(
    _ rule: RuleAutomaton, marked: [Int32: MemberGate], budget: CompileBudget
  ) throws(StructuredOutputError) -> [Int32: MemberGate] {
    let sources = rule.predecessors
    var gates = marked
    var distances: [Int32: Int] = [:]
    var queue: [(state: Int32, distance: Int)] = []
    for (state, gate) in marked { if case .character(let distance) = gate { queue.append((state, distance)) } }
    queue.sort { ($0.distance, $0.state) > ($1.distance, $1.state) }
    while let (state, distance) = queue.popLast() {
      try budget.spend(1 + sources[Int(state)].count)
      for source in sources[Int(state)] where marked[source] == nil && distances[source] ?? .max > distance {
        distances[source] = distance
        gates[source] = .within(distance: distance)
        queue.append((source, distance))
      }
    }
    return gates
  }
}
