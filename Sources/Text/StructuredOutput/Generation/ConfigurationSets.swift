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
  private var records: [ObjectRecord.Content: ObjectRecord] = [:]
  private var closure = Closure()

  init(_ automaton: PushdownAutomaton) { self.automaton = automaton }

  var count: Int { members.count }

  mutating func forgetIfLarge() -> Bool {
    let auxiliary = max(nodes.count, unions.count, records.count)
    guard count > Self.countLimit || auxiliary > 4 * Self.countLimit else { return false }
    generation += 1
    members.removeAll()
    isComplete.removeAll()
    transitions.removeAll()
    ids.removeAll()
    nodes.removeAll()
    unions.removeAll()
    records.removeAll()
    return true
  }

  mutating func initial() -> SetID { close([Configuration(state: automaton.starts[0], record: nil, stack: bottom)]) }

  /// The identifier of a closed set.
  mutating func intern(_ configurations: [Configuration]) -> SetID {
    var key: [Int] = []
    key.reserveCapacity(configurations.count * 3)
    for configuration in configurations {
      key.append(Int(configuration.state))
      key.append(configuration.record?.serial ?? 0)
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
      if state >= 0, let next = enter(state, configuration, byte: byte) { reached.append(next) }
    }
    let result = reached.isEmpty ? Self.dead : close(reached)
    transitions[cell] = result
    return result
  }

  /// The set after the quote that ends an item of an array without duplicates, of which `text` is all but that.
  mutating func closing(_ configuration: Configuration, text: [UInt8]) -> SetID {
    var content = configuration.record?.content ?? ObjectRecord.Content(named: ClassSet(capacity: 0))
    content.current = text
    let before = Configuration(state: configuration.state, record: intern(content), stack: configuration.stack)
    return next(intern([before]), UInt8(ascii: "\""))
  }

  /// The set after a special token, or `dead`.
  mutating func next(_ set: SetID, token: Int32) -> SetID {
    var reached: [Configuration] = []
    for configuration in members[Int(set)] {
      for edge in automaton.tokens(configuration.state) where edge.label == token {
        if let next = enter(edge.target, configuration) { reached.append(next) }
      }
    }
    return reached.isEmpty ? Self.dead : close(reached)
  }

  /// `state` on the stack of `configuration`, with the record that its gate makes; nil where it cannot be completed
  /// there: shut, or nested too deep. Nothing else is ever entered.
  private mutating func enter(_ state: Int32, _ configuration: Configuration, byte: UInt8? = nil) -> Configuration? {
    let room = PushdownAutomaton.depthLimit - configuration.stack.depth
    guard automaton.heights[Int(state)] <= room else { return nil }
    switch automaton.enter(state, configuration.record, byte: byte, room: room) {
    case .open: return Configuration(state: state, record: configuration.record, stack: configuration.stack)
    case .shut: return nil
    case .changed(let content):
      return Configuration(state: state, record: intern(content), stack: configuration.stack)
    }
  }

  /// Adds what is reached without reading: into rules that are called, and out of rules that end.
  private mutating func close(_ seeds: [Configuration]) -> SetID {
    closure.begin()
    for seed in seeds { add(seed.state, seed.record, seed.stack) }
    while let item = closure.takePending() {
      let stack = item.stack
      if automaton.accepts[Int(item.state)] {
        for entry in stack.entries { add(entry.state, entry.record, entry.parent) }
      }
      for call in automaton.calls(item.state) {
        let start = automaton.starts[Int(call.label)]
        let room = PushdownAutomaton.depthLimit - stack.depth
        let record = automaton.initialRecord(start).map { intern($0) }
        // Where nothing follows the call, it takes the place of the caller.
        if automaton.onlyAccepts[Int(call.target)] {
          if automaton.heights[Int(start)] <= room { add(start, record, stack) }
          continue
        }
        guard automaton.heights[Int(start)] < room,
          let target = enter(call.target, Configuration(state: item.state, record: item.record, stack: stack))
        else { continue }
        let entry = StackNode.Entry(state: target.state, record: target.record, parent: stack)
        let called = closure.called(start)
        let node = called.map { union($0.entries, [entry]) } ?? intern([entry])
        closure.setCalled(start, node)
        add(start, record, node)
      }
    }
    var result: [Configuration] = []
    for item in closure.items.sorted(by: { ($0.state, $0.record?.serial ?? 0) < ($1.state, $1.record?.serial ?? 0) })
    where automaton.reads[Int(item.state)] || (automaton.accepts[Int(item.state)] && item.stack.entries.isEmpty) {
      result.append(Configuration(state: item.state, record: item.record, stack: item.stack))
    }
    return intern(result)
  }

  private mutating func add(_ state: Int32, _ record: ObjectRecord?, _ stack: StackNode) {
    let item = Closure.Item(state: state, record: record, stack: stack)
    guard let known = closure.number(of: item.key) else { return closure.put(item) }
    let stackSoFar = closure.items[known].stack
    let merged = union(stackSoFar, stack)
    if merged !== stackSoFar { closure.grow(known, to: merged) }
  }

  mutating func intern(_ content: ObjectRecord.Content) -> ObjectRecord {
    if let record = records[content] { return record }
    let record = ObjectRecord(serial: nextSerial, content: content)
    nextSerial += 1
    records[content] = record
    return record
  }

  private mutating func intern(_ entries: [StackNode.Entry]) -> StackNode {
    var key: [Int] = []
    for entry in entries {
      key.append(Int(entry.state))
      key.append(entry.record?.serial ?? 0)
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
    func isBefore(_ a: StackNode.Entry, _ b: StackNode.Entry) -> Bool {
      (a.state, a.record?.serial ?? 0) < (b.state, b.record?.serial ?? 0)
    }
    var merged: [StackNode.Entry] = []
    var (i, j) = (0, 0)
    while i < a.count || j < b.count {
      if j == b.count || (i < a.count && isBefore(a[i], b[j])) {
        merged.append(a[i])
        i += 1
      } else if i == a.count || isBefore(b[j], a[i]) {
        merged.append(b[j])
        j += 1
      } else {
        merged.append(.init(state: a[i].state, record: a[i].record, parent: union(a[i].parent, b[j].parent)))
        i += 1
        j += 1
      }
    }
    return intern(merged)
  }
}
