extension ScalarAutomaton {
  /// Whether any scalar may follow any other.
  var isEverything: Bool { stateCount == 1 && accepts[0] && transitions.allSatisfy { $0 == 0 } }

  /// How many scalars must follow in each state of a trimmed automaton.
  var distances: [Int] {
    var distances = [Int](repeating: .max, count: stateCount)
    let predecessors = predecessors
    var level = accepts.indices.filter { accepts[$0] }
    for state in level { distances[state] = 0 }
    var distance = 0
    while !level.isEmpty {
      distance += 1
      var next: [Int] = []
      for state in level {
        for from in predecessors[state] where distances[Int(from)] == .max {
          distances[Int(from)] = distance
          next.append(Int(from))
        }
      }
      level = next
    }
    return distances
  }

  /// The length of the longest string of a trimmed automaton; nil where there is none, and no bound.
  var longest: Int? {
    if isEmpty { return 0 }
    // States in the order in which they end, deepest first; a state met again on its own path closes a cycle.
    var lengths = [Int?](repeating: nil, count: stateCount)
    var isOpen = [Bool](repeating: false, count: stateCount)
    var stack: [(state: Int, column: Int)] = [(0, 0)]
    isOpen[0] = true
    while let (state, column) = stack.last {
      if column == alphabet.count {
        var length = 0
        for column in alphabet.indices {
          let target = Int(next(state, column))
          if target >= 0 { length = max(length, 1 + (lengths[target] ?? 0)) }
        }
        lengths[state] = length
        isOpen[state] = false
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].column += 1
      let target = Int(next(state, column))
      if target < 0 || lengths[target] != nil { continue }
      if isOpen[target] { return nil }
      isOpen[target] = true
      stack.append((target, 0))
    }
    return lengths[0]
  }

  /// How many strings a trimmed automaton accepts, if these are `limit` at most and of 64 scalars at most.
  func count(atMost limit: Int) -> Int? {
    guard let longest, longest <= 64 else { return nil }
    let sizes = alphabet.map { set in set.ranges.reduce(0) { $0 + $1.count } }
    var counts = [Int](repeating: -1, count: stateCount)
    func count(_ state: Int) -> Int {
      if counts[state] >= 0 { return counts[state] }
      var sum = accepts[state] ? 1 : 0
      for column in alphabet.indices {
        let target = next(state, column)
        if target >= 0 { sum = min(sum + min(sizes[column], limit + 1) * count(Int(target)), limit + 1) }
      }
      counts[state] = sum
      return sum
    }
    let total = isEmpty ? 0 : count(0)
    return total <= limit ? total : nil
  }

  /// The same strings from a start that is never entered again.
  var withSeparateStart: ScalarAutomaton {
    guard !isEmpty else { return self }
    let first = transitions[..<alphabet.count]
    return ScalarAutomaton(
      alphabet: alphabet, transitions: (first + transitions).map { $0 < 0 ? $0 : $0 + 1 },
      accepts: [accepts[0]] + accepts)
  }
}
