/// The edges of an automaton over scalars: one for each pair of states, with the set of the scalars that lead there.
struct ScalarEdges {
  struct Edge {
    var from: Int
    var target: Int
    var set: Int
  }
  private(set) var sets: [ScalarSet] = []
  /// By their origin, then by their target.
  private(set) var all: [Edge] = []

  init(_ automaton: ScalarAutomaton) {
    var numbers: [[Int]: Int] = [:]
    for state in 0..<automaton.stateCount {
      var columns: [Int32: [Int]] = [:]
      for column in automaton.alphabet.indices {
        let next = automaton.next(state, column)
        if next >= 0 { columns[next, default: []].append(column) }
      }
      for (next, key) in columns.sorted(by: { $0.key < $1.key }) {
        let number = numbers[key] ?? sets.count
        if number == sets.count {
          numbers[key] = number
          // Classes with the same target are one set: it has fewer ranges than they have.
          sets.append(ScalarSet(key.flatMap { automaton.alphabet[$0].ranges }))
        }
        all.append(Edge(from: state, target: Int(next), set: number))
      }
    }
  }

  /// For each set how many states its edges lead to.
  var targetCounts: [Int] {
    var targets = [Set<Int>](repeating: [], count: sets.count)
    for edge in all { targets[edge.set].insert(edge.target) }
    return targets.map(\.count)
  }
}
