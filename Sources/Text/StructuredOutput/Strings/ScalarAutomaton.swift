/// A deterministic automaton over Unicode scalars: a set of strings. State 0 is its start; none accept nothing at all.
struct ScalarAutomaton: Sendable {
  static let stateLimit = 50_000
  static let dead: Int32 = -1

  /// A partition of all scalars: those of one class lead to the same states.
  var alphabet: [ScalarSet]
  /// [states, classes], `dead` where there is no edge.
  var transitions: [Int32]
  var accepts: [Bool]

  var stateCount: Int { accepts.count }

  func next(_ state: Int, _ column: Int) -> Int32 { transitions[state * alphabet.count + column] }

  /// Whether it accepts no string. Holds for trimmed automata only.
  var isEmpty: Bool { accepts.isEmpty }

  func accepts(_ text: String) -> Bool {
    guard !isEmpty else { return false }
    var state: Int32 = 0
    for scalar in text.unicodeScalars {
      guard let column = alphabet.firstIndex(where: { $0.ranges.contains { $0.contains(scalar.value) } }) else {
        return false
      }
      state = next(Int(state), column)
      if state == Self.dead { return false }
    }
    return accepts[Int(state)]
  }

  /// All strings.
  static let all = ScalarAutomaton(alphabet: [.all], transitions: [0], accepts: [true])

  /// Strings of so many scalars. Throws where the counts are beyond what an automaton can count.
  static func length(atLeast minimum: Int, atMost maximum: Int?, budget: CompileBudget) throws(StructuredOutputError)
    -> ScalarAutomaton
  {
    let last = maximum ?? minimum
    guard last < stateLimit else { throw .tooLarge(what: "a length", pointer: budget.pointer, limit: stateLimit - 1) }
    try budget.spend(last + 1)
    var transitions: [Int32] = []
    for count in 0...last { transitions.append(count < last ? Int32(count + 1) : maximum == nil ? Int32(count) : dead) }
    return ScalarAutomaton(alphabet: [.all], transitions: transitions, accepts: (0...last).map { $0 >= minimum })
  }

  /// Exactly these strings, of which there is one at least.
  static func oneOf(_ texts: [String], budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    var columns: [Unicode.Scalar: Int] = [:]
    for text in texts {
      for scalar in text.unicodeScalars where columns[scalar] == nil { columns[scalar] = columns.count }
    }
    let known = columns.sorted { $0.value < $1.value }.map { ScalarSet($0.key) }
    let alphabet = known + [ScalarSet(known.flatMap(\.ranges)).complement]
    var automaton = ScalarAutomaton(
      alphabet: alphabet, transitions: [Int32](repeating: dead, count: alphabet.count), accepts: [false])
    for text in texts {
      var state = 0
      for scalar in text.unicodeScalars {
        guard let column = columns[scalar] else { continue }
        let cell = state * alphabet.count + column
        if automaton.transitions[cell] == dead {
          try budget.spend(alphabet.count)
          automaton.transitions[cell] = Int32(automaton.stateCount)
          automaton.transitions.append(contentsOf: repeatElement(dead, count: alphabet.count))
          automaton.accepts.append(false)
        }
        state = Int(automaton.transitions[cell])
      }
      automaton.accepts[state] = true
    }
    return automaton
  }

  /// Strings that one of both accepts.
  func union(_ other: ScalarAutomaton, budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    try ScalarAutomaton.all.subtracting(
      .all.subtracting(self, budget: budget).intersection(.all.subtracting(other, budget: budget), budget: budget),
      budget: budget)
  }

  /// Strings that both accept.
  func intersection(_ other: ScalarAutomaton, budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    try product(other, budget: budget, keepsDeadSecond: false) { $0 && $1 }
  }

  /// Strings that the other does not accept.
  func subtracting(_ other: ScalarAutomaton, budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    try product(other, budget: budget, keepsDeadSecond: true) { $0 && !$1 }
  }

  private func product(
    _ other: ScalarAutomaton, budget: CompileBudget, keepsDeadSecond: Bool, _ accept: (Bool, Bool) -> Bool
  ) throws(StructuredOutputError) -> ScalarAutomaton {
    guard !isEmpty else { return self }
    guard !other.isEmpty else { return keepsDeadSecond ? self : other }
    let pairs = Alphabet.pairs(alphabet, other.alphabet)
    var result = ScalarAutomaton(alphabet: pairs.map(\.set), transitions: [], accepts: [])
    var ids: [Int: Int32] = [:]
    var states: [(Int32, Int32)] = []
    func id(_ a: Int32, _ b: Int32) -> Int32 {
      if a == Self.dead || (b == Self.dead && !keepsDeadSecond) { return Self.dead }
      let key = Int(a) << 32 | Int(b + 1)
      if let known = ids[key] { return known }
      ids[key] = Int32(states.count)
      states.append((a, b))
      return Int32(states.count - 1)
    }
    _ = id(0, 0)
    var done = 0
    while done < states.count {
      let (a, b) = states[done]
      done += 1
      try budget.spend(pairs.count)
      guard states.count <= Self.stateLimit else {
        throw .tooLarge(what: "the states of a string's automaton", pointer: budget.pointer, limit: Self.stateLimit)
      }
      for pair in pairs {
        let nextB = b == Self.dead ? b : other.next(Int(b), pair.second)
        result.transitions.append(id(next(Int(a), pair.first), nextB))
      }
      result.accepts.append(accept(accepts[Int(a)], b != Self.dead && other.accepts[Int(b)]))
    }
    return result.trimmed()
  }

  /// From which states an edge leads to each.
  var predecessors: [[Int32]] {
    var predecessors = [[Int32]](repeating: [], count: stateCount)
    for state in 0..<stateCount {
      for column in alphabet.indices {
        let target = next(state, column)
        if target >= 0, predecessors[Int(target)].last != Int32(state) {
          predecessors[Int(target)].append(Int32(state))
        }
      }
    }
    return predecessors
  }

  /// Without states from which nothing is accepted.
  func trimmed() -> ScalarAutomaton {
    let predecessors = predecessors
    var live = accepts
    var stack = accepts.indices.filter { accepts[$0] }
    while let state = stack.popLast() {
      for from in predecessors[state] where !live[Int(from)] {
        live[Int(from)] = true
        stack.append(Int(from))
      }
    }
    guard live.first == true else { return ScalarAutomaton(alphabet: alphabet, transitions: [], accepts: []) }
    if live.allSatisfy({ $0 }) { return self }
    var numbers = [Int32](repeating: Self.dead, count: stateCount)
    var count: Int32 = 0
    for state in 0..<stateCount where live[state] {
      numbers[state] = count
      count += 1
    }
    var result = ScalarAutomaton(alphabet: alphabet, transitions: [], accepts: [])
    for state in 0..<stateCount where live[state] {
      for column in alphabet.indices {
        let target = next(state, column)
        result.transitions.append(target < 0 ? Self.dead : numbers[Int(target)])
      }
      result.accepts.append(accepts[state])
    }
    return result
  }
}

/// Partitions of all scalars.
enum Alphabet {
  /// The non-empty intersections of the classes of two partitions.
  static func pairs(_ a: [ScalarSet], _ b: [ScalarSet]) -> [(set: ScalarSet, first: Int, second: Int)] {
    var ranges: [Int: [ClosedRange<UInt32>]] = [:]
    let (left, right) = (flattened(a), flattened(b))
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
      let low = max(left[i].range.lowerBound, right[j].range.lowerBound)
      let high = min(left[i].range.upperBound, right[j].range.upperBound)
      if low <= high { ranges[left[i].column * b.count + right[j].column, default: []].append(low...high) }
      if left[i].range.upperBound < right[j].range.upperBound { i += 1 } else { j += 1 }
    }
    return ranges.sorted { $0.key < $1.key }.map { (ScalarSet($0.value), $0.key / b.count, $0.key % b.count) }
  }

  /// The coarsest partition that does not cut any of `sets`, and which classes each of them consists of.
  static func partition(_ sets: [ScalarSet]) -> (alphabet: [ScalarSet], columns: [[Int]]) {
    var bounds: Set<UInt32> = [0, 0xE000]
    for set in sets {
      for range in set.ranges {
        bounds.insert(range.lowerBound)
        bounds.insert(range.upperBound + 1)
      }
    }
    let starts = bounds.filter { $0 <= 0x10FFFF && !(0xD800..<0xE000).contains($0) }.sorted()
    var membership = [[Int32]](repeating: [], count: starts.count)
    for (number, set) in sets.enumerated() {
      var at = 0
      for range in set.ranges {
        while starts[at] < range.lowerBound { at += 1 }
        while at < starts.count, starts[at] <= range.upperBound {
          membership[at].append(Int32(number))
          at += 1
        }
      }
    }
    var columnOf: [[Int32]: Int] = [:]
    var ranges: [[ClosedRange<UInt32>]] = []
    for (i, key) in membership.enumerated() {
      let column = columnOf[key] ?? ranges.count
      if column == ranges.count {
        columnOf[key] = column
        ranges.append([])
      }
      ranges[column].append(starts[i]...(i + 1 < starts.count ? starts[i + 1] - 1 : 0x10FFFF))
    }
    var columns = [[Int]](repeating: [], count: sets.count)
    for (key, column) in columnOf { for number in key { columns[Int(number)].append(column) } }
    return (ranges.map { ScalarSet($0) }, columns.map { $0.sorted() })
  }

  private static func flattened(_ sets: [ScalarSet]) -> [(range: ClosedRange<UInt32>, column: Int)] {
    sets.enumerated().flatMap { column, set in set.ranges.map { ($0, column) } }
      .sorted { $0.range.lowerBound < $1.range.lowerBound }
  }
}
