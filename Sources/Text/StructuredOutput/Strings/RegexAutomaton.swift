extension ScalarAutomaton {
  /// The strings in which `pattern` is found somewhere, as JSON Schema has it: by all dialects, or with `isWide` by
  /// some.
  init(
    pattern: String, isWide: Bool = false, lengthLimit: Int? = RegexParser.lengthLimit, budget: CompileBudget
  ) throws(StructuredOutputError) {
    var builder = RegexBuilder()
    do throws(RegexError) {
      let tree = try RegexParser.parse(pattern, isWide: isWide, lengthLimit: lengthLimit)
      try builder.add(tree, from: builder.start, to: builder.end)
    } catch {
      throw .malformedPattern(pattern, pointer: budget.pointer, reason: error.reason, offset: error.offset)
    }
    self = try builder.determinized(budget: budget)
  }

  /// As `init(pattern:budget:)`, but for the whole string, and for patterns of this module, of any length.
  init(whole pattern: String, budget: CompileBudget) throws(StructuredOutputError) {
    try self.init(pattern: "^(?:\(pattern))$", lengthLimit: nil, budget: budget)
  }
}

/// A nondeterministic automaton over scalars, with edges that hold only at a string's begin or end.
private struct RegexBuilder {
  static let stateLimit = 20_000
  private enum Condition { case none, begin, end }

  let start = 0
  let end = 1
  private var sets: [ScalarSet] = []
  private var setNumbers: [ScalarSet: Int] = [:]
  private var reading: [[(set: Int, target: Int)]] = [[], []]
  private var empty: [[(condition: Condition, target: Int)]] = [[], []]

  init() {}

  mutating func makeState() -> Int {
    reading.append([])
    empty.append([])
    return reading.count - 1
  }

  mutating func add(_ tree: Regex, from: Int, to target: Int) throws(RegexError) {
    guard reading.count <= Self.stateLimit else {
      throw RegexError(reason: "its repeats multiply to more than \(Self.stateLimit) states", offset: 0)
    }
    switch tree {
    case .empty: empty[from].append((.none, target))
    case .begin: empty[from].append((.begin, target))
    case .end: empty[from].append((.end, target))
    case .scalars(let set):
      let number = setNumbers[set] ?? sets.count
      if number == sets.count {
        setNumbers[set] = number
        sets.append(set)
      }
      reading[from].append((number, target))
    case .concatenation(let items):
      var at = from
      for item in items {
        let next = makeState()
        try add(item, from: at, to: next)
        at = next
      }
      empty[at].append((.none, target))
    case .alternation(let branches):
      for branch in branches { try add(branch, from: from, to: target) }
    case .repetition(let item, let atLeast, let atMost):
      var at = makeState()
      empty[from].append((.none, at))
      for _ in 0..<atLeast { at = try addCopy(item, after: at) }
      if let atMost {
        for _ in atLeast..<atMost {
          empty[at].append((.none, target))
          at = try addCopy(item, after: at)
        }
      } else {
        let back = try addCopy(item, after: at)
        empty[back].append((.none, at))
      }
      empty[at].append((.none, target))
    }
  }

  private mutating func addCopy(_ item: Regex, after state: Int) throws(RegexError) -> Int {
    let next = makeState()
    try add(item, from: state, to: next)
    return next
  }

  /// The strings that contain a match: anything may stand before it and after it.
  ///
  /// A subset holds `before` (no match has begun), states within a match, and `after` (a match has ended), numbered
  /// behind the builder's own. After a match nothing else matters.
  func determinized(budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    let (alphabet, columns) = Alphabet.partition(sets)
    let before = reading.count
    let after = before + 1
    var result = ScalarAutomaton(alphabet: alphabet, transitions: [], accepts: [])
    var ids: [[Int]: Int32] = [:]
    var subsets: [[Int]] = []
    var mark = [Int](repeating: 0, count: reading.count)
    var stamp = 0
    var steps = 0

    /// Everything reachable without reading; nothing more than `after` once a match is complete.
    func closure(_ seeds: [Int], atBegin: Bool, atEnd: Bool) -> [Int] {
      stamp += 1
      var members: [Int] = []
      var stack: [Int] = []
      for seed in seeds {
        if seed == after { return [after] }
        if seed == before { members.append(before) }
        let state = seed == before ? start : seed
        if mark[state] != stamp {
          mark[state] = stamp
          stack.append(state)
        }
      }
      while let state = stack.popLast() {
        steps += 1 + empty[state].count
        if state == end { return [after] }
        members.append(state)
        for edge in empty[state] where mark[edge.target] != stamp {
          if edge.condition == .begin && !atBegin || edge.condition == .end && !atEnd { continue }
          mark[edge.target] = stamp
          stack.append(edge.target)
        }
      }
      return members.sorted()
    }
    func id(_ members: [Int]) -> Int32 {
      if let known = ids[members] { return known }
      ids[members] = Int32(subsets.count)
      subsets.append(members)
      return Int32(subsets.count - 1)
    }

    // Not among `ids`: the same states further on are another subset, where '^' holds no more.
    subsets.append(closure([before], atBegin: true, atEnd: false))
    var done = 0
    while done < subsets.count {
      let subset = subsets[done]
      result.accepts.append(closure(subset, atBegin: done == 0, atEnd: true) == [after])
      var targets = [[Int]](repeating: subset.contains(before) ? [before] : [], count: alphabet.count)
      if subset == [after] { targets = [[Int]](repeating: [after], count: alphabet.count) }
      for state in subset where state < before {
        for edge in reading[state] {
          steps += columns[edge.set].count
          for column in columns[edge.set] { targets[column].append(edge.target) }
        }
      }
      for seeds in targets {
        result.transitions.append(
          seeds.isEmpty ? ScalarAutomaton.dead : id(closure(seeds, atBegin: false, atEnd: false)))
      }
      try budget.spend(steps + alphabet.count)
      steps = 0
      done += 1
      guard subsets.count <= ScalarAutomaton.stateLimit else {
        throw .tooLarge(
          what: "the states of a pattern's automaton", pointer: budget.pointer, limit: ScalarAutomaton.stateLimit)
      }
    }
    return result.trimmed()
  }
}
