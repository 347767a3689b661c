/// The sets of configurations met so far, and where each byte leads from them: a deterministic automaton that grows as
/// it is used. It may be thrown away at any time, since a state also holds its configurations.
struct ConfigurationSets {
  typealias SetID = Int32
  static let unknown: Int32 = -2
  static let dead: Int32 = -1
  /// Past so many sets everything is forgotten before the next operation; a set costs one to two kilobytes at most.
  static let countLimit = 16_384

  let automaton: PushdownAutomaton
  let bottom = StackNode(serial: 0, entries: [])

  /// Grows by one when everything is forgotten, so that an identifier from before is known for one.
  private(set) var generation = 0
  private(set) var members: [[Configuration]] = []
  private(set) var isComplete: [Bool] = []
  /// [sets, shared classes]: a set's identifier, `dead` or `unknown`.
  private(set) var transitions: [Int32] = []
  private var ids: [[Int]: SetID] = [:]
  private var nodes: [[Int]: StackNode] = [:]
  private var unions: [[Int]: StackNode] = [:]
  private var nextSerial = 1
  private var closure: Closure

  init(_ automaton: PushdownAutomaton) {
    self.automaton = automaton
    closure = Closure(stateCount: automaton.stateCount)
  }

  var count: Int { members.count }

  mutating func forgetIfLarge() -> Bool {
    guard count > Self.countLimit || nodes.count > 4 * Self.countLimit || unions.count > 4 * Self.countLimit else {
      return false
    }
    generation += 1
    members.removeAll()
    isComplete.removeAll()
    transitions.removeAll()
    ids.removeAll()
    nodes.removeAll()
    unions.removeAll()
    return true
  }

  mutating func initial() -> SetID { close([Configuration(state: automaton.starts[0], stack: bottom)]) }

  /// The identifier of a closed set.
  mutating func intern(_ configurations: [Configuration]) -> SetID {
    var key: [Int] = []
    key.reserveCapacity(configurations.count * 2)
    for configuration in configurations {
      key.append(Int(configuration.state))
      key.append(configuration.stack.serial)
    }
    if let id = ids[key] { return id }
    let id = SetID(members.count)
    ids[key] = id
    members.append(configurations)
    // Only rule 0, the whole output, stands on the bottom.
    isComplete.append(configurations.contains { $0.stack.entries.isEmpty && automaton.accepts[Int($0.state)] })
    transitions.append(contentsOf: repeatElement(Self.unknown, count: automaton.sharedClassCount))
    return id
  }

  /// The set after `byte`, or `dead`.
  mutating func next(_ set: SetID, _ byte: UInt8) -> SetID {
    let cell = Int(set) * automaton.sharedClassCount + Int(automaton.sharedClasses[Int(byte)])
    if transitions[cell] != Self.unknown { return transitions[cell] }
    var reached: [Configuration] = []
    for configuration in members[Int(set)] {
      let state = automaton.next(configuration.state, byte)
      if state >= 0, fits(state, configuration.stack) {
        reached.append(Configuration(state: state, stack: configuration.stack))
      }
    }
    let result = reached.isEmpty ? Self.dead : close(reached)
    transitions[cell] = result
    return result
  }

  /// The set after a special token, or `dead`.
  mutating func next(_ set: SetID, token: Int32) -> SetID {
    var reached: [Configuration] = []
    for configuration in members[Int(set)] {
      for edge in automaton.tokens(configuration.state)
      where edge.label == token && fits(edge.target, configuration.stack) {
        reached.append(Configuration(state: edge.target, stack: configuration.stack))
      }
    }
    return reached.isEmpty ? Self.dead : close(reached)
  }

  /// Whether a state can be completed on this stack without nesting too deep. Nothing else is ever entered.
  private func fits(_ state: Int32, _ stack: StackNode) -> Bool {
    stack.depth + automaton.heights[Int(state)] <= PushdownAutomaton.depthLimit
  }

  /// Adds what is reached without reading: into rules that are called, and out of rules that end.
  private mutating func close(_ seeds: [Configuration]) -> SetID {
    closure.begin()
    for seed in seeds { add(seed.state, seed.stack) }
    while let state = closure.takePending() {
      let stack = closure.stack(of: state)
      if automaton.accepts[Int(state)] {
        for entry in stack.entries { add(entry.state, entry.parent) }
      }
      for call in automaton.calls(state) {
        let start = automaton.starts[Int(call.label)]
        let needed = max(automaton.heights[Int(start)] + 1, automaton.heights[Int(call.target)])
        guard stack.depth + needed <= PushdownAutomaton.depthLimit else { continue }
        let entry = StackNode.Entry(state: call.target, parent: stack)
        let called = closure.called(start)
        let node = called.map { union($0.entries, [entry]) } ?? intern([entry])
        closure.setCalled(start, node)
        add(start, node)
      }
    }
    var result: [Configuration] = []
    for state in closure.states.sorted() {
      let stack = closure.stack(of: state)
      if automaton.reads[Int(state)] || (automaton.accepts[Int(state)] && stack.entries.isEmpty) {
        result.append(Configuration(state: state, stack: stack))
      }
    }
    return intern(result)
  }

  private mutating func add(_ state: Int32, _ stack: StackNode) {
    guard let known = closure.knownStack(of: state) else { return closure.put(state, stack) }
    let merged = union(known, stack)
    if merged !== known { closure.put(state, merged) }
  }

  private mutating func intern(_ entries: [StackNode.Entry]) -> StackNode {
    var key: [Int] = []
    for entry in entries {
      key.append(Int(entry.state))
      key.append(entry.parent.serial)
    }
    if let node = nodes[key] { return node }
    let node = StackNode(serial: nextSerial, entries: entries)
    nextSerial += 1
    nodes[key] = node
    return node
  }

  private mutating func union(_ a: StackNode, _ b: StackNode) -> StackNode {
    if a === b { return a }
    let key = [min(a.serial, b.serial), max(a.serial, b.serial)]
    if let known = unions[key] { return known }
    let node = union(a.entries, b.entries)
    unions[key] = node
    return node
  }

  /// Recursion goes no deeper than stacks do.
  private mutating func union(_ a: [StackNode.Entry], _ b: [StackNode.Entry]) -> StackNode {
    var merged: [StackNode.Entry] = []
    var (i, j) = (0, 0)
    while i < a.count || j < b.count {
      if j == b.count || (i < a.count && a[i].state < b[j].state) {
        merged.append(a[i])
        i += 1
      } else if i == a.count || b[j].state < a[i].state {
        merged.append(b[j])
        j += 1
      } else {
        merged.append(.init(state: a[i].state, parent: union(a[i].parent, b[j].parent)))
        i += 1
        j += 1
      }
    }
    return intern(merged)
  }
}

/// Working memory of one closure, by state.
private struct Closure {
  private var stamp: Int32 = 0
  private var stateStamps: [Int32]
  private var stacks: [StackNode?]
  private var calledStamps: [Int32]
  private var calledNodes: [StackNode?]
  private(set) var states: [Int32] = []
  private var pending: [Int32] = []

  init(stateCount: Int) {
    stateStamps = [Int32](repeating: 0, count: stateCount)
    stacks = [StackNode?](repeating: nil, count: stateCount)
    calledStamps = stateStamps
    calledNodes = stacks
  }

  mutating func begin() {
    stamp &+= 1
    states.removeAll(keepingCapacity: true)
    pending.removeAll(keepingCapacity: true)
  }

  mutating func takePending() -> Int32? { pending.popLast() }
  func stack(of state: Int32) -> StackNode { stacks[Int(state)]! }
  func knownStack(of state: Int32) -> StackNode? {
    stateStamps[Int(state)] == stamp ? stacks[Int(state)] : nil
  }
  /// A state whose stack is new or has grown is gone through again.
  mutating func put(_ state: Int32, _ stack: StackNode) {
    if stateStamps[Int(state)] != stamp { states.append(state) }
    stateStamps[Int(state)] = stamp
    stacks[Int(state)] = stack
    pending.append(state)
  }
  func called(_ start: Int32) -> StackNode? { calledStamps[Int(start)] == stamp ? calledNodes[Int(start)] : nil }
  mutating func setCalled(_ start: Int32, _ node: StackNode) {
    calledStamps[Int(start)] = stamp
    calledNodes[Int(start)] = node
  }
}
