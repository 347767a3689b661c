/// One rule, deterministic over bytes: state 0 is its start.
struct RuleAutomaton {
  struct Edge {
    var label: Int32
    var target: Int32
  }
  /// Bytes that no edge tells apart share a class.
  var classes: [UInt8]
  var classCount: Int
  /// [states, classes], -1 where there is no edge.
  var transitions: [Int32] = []
  var accepts: [Bool] = []
  var calls: [[Edge]] = []
  var tokens: [[Edge]] = []
  /// What is kept beside the states of this rule, and what they ask of it.
  var table: RecordTable?
  var gates: [Int32: MemberGate] = [:]
  /// States inside of strings in which any character may follow.
  var contents: [Int32: StringContent.Spelling] = [:]
  var stateCount: Int { accepts.count }

  /// The automaton of one rule with the same outputs as `builder`, by the subset construction.
  init(_ builder: RuleBuilder, budget: CompileBudget) throws(StructuredOutputError) {
    (classes, classCount) = Self.classes(of: builder)
    var construction = SubsetConstruction(builder, classes: classes, classCount: classCount)
    try construction.run(into: &self, budget: budget)
    contents = construction.marked(builder.contents)
    table = builder.table
    switch table {
    case .members: gates = try NameGates.make(self, marked: construction.marked(builder.gates), budget: budget)
    case .length: gates = try LengthGates.make(self, marked: construction.marked(builder.gates), budget: budget)
    case .items: gates = try ItemGates.make(&self, marked: construction.marked(builder.gates), budget: budget)
    case nil: break
    }
  }

  /// From which states bytes lead to each.
  var predecessors: [[Int32]] {
    var sources = [[Int32]](repeating: [], count: stateCount)
    for state in 0..<stateCount {
      var last: Int32 = -1
      for target in transitions[state * classCount..<(state + 1) * classCount] {
        if target >= 0, target != last { sources[Int(target)].append(Int32(state)) }
        last = target
      }
    }
    return sources
  }

  private static func classes(of builder: RuleBuilder) -> ([UInt8], Int) {
    // Where texts are kept, each byte counts.
    if case .items? = builder.table { return ((0...255).map { UInt8($0) }, 256) }
    var begins = [Bool](repeating: false, count: 257)
    for edge in builder.byteEdges {
      begins[Int(edge.low)] = true
      begins[Int(edge.high) + 1] = true
    }
    var classes = [UInt8](repeating: 0, count: 256)
    var current = 0
    for byte in 1..<256 {
      if begins[byte] { current += 1 }
      classes[byte] = UInt8(current)
    }
    return (classes, current + 1)
  }
}

/// Edges grouped by the state they leave.
private struct Outgoing<Edge> {
  private var starts: [Int32]
  private var edges: [Edge] = []

  init(_ all: [Edge], stateCount: Int, from: (Edge) -> Int32) {
    starts = [Int32](repeating: 0, count: stateCount + 1)
    for edge in all { starts[Int(from(edge)) + 1] += 1 }
    for i in 0..<stateCount { starts[i + 1] += starts[i] }
    guard let any = all.first else { return }
    edges = [Edge](repeating: any, count: all.count)
    var next = starts
    for edge in all {
      edges[Int(next[Int(from(edge))])] = edge
      next[Int(from(edge))] += 1
    }
  }

  subscript(state: Int32) -> ArraySlice<Edge> { edges[Int(starts[Int(state)])..<Int(starts[Int(state) + 1])] }
  func isEmpty(_ state: Int32) -> Bool { starts[Int(state)] == starts[Int(state) + 1] }
}

private struct SubsetConstruction {
  private let bytes: Outgoing<RuleBuilder.ByteEdge>
  private let empties: Outgoing<(from: Int32, target: Int32)>
  private let calls: Outgoing<RuleBuilder.LabelledEdge>
  private let tokens: Outgoing<RuleBuilder.LabelledEdge>
  private let classes: [UInt8]
  private let classCount: Int

  private var subsets: [[Int32]] = []
  private var ids: [[Int32]: Int32] = [:]
  /// The subset that one state alone leads to, -1 where not known yet.
  private var idOfSingle: [Int32]
  /// States whose gates or marks must not be lost.
  private var isKept: [Bool]
  private var mark: [Int32]
  private var stamp: Int32 = 0

  init(_ builder: RuleBuilder, classes: [UInt8], classCount: Int) {
    let count = builder.stateCount
    bytes = Outgoing(builder.byteEdges, stateCount: count) { $0.from }
    empties = Outgoing(builder.emptyEdges, stateCount: count) { $0.from }
    calls = Outgoing(builder.calls, stateCount: count) { $0.from }
    tokens = Outgoing(builder.tokens, stateCount: count) { $0.from }
    self.classes = classes
    self.classCount = classCount
    idOfSingle = [Int32](repeating: -1, count: count)
    mark = [Int32](repeating: 0, count: count)
    isKept = [Bool](repeating: false, count: count)
    isKept[Int(RuleBuilder.end)] = true
    for state in builder.gates.keys { isKept[Int(state)] = true }
    for state in builder.contents.keys { isKept[Int(state)] = true }
  }

  mutating func run(into automaton: inout RuleAutomaton, budget: CompileBudget) throws(StructuredOutputError) {
    _ = try subset(of: [RuleBuilder.start], budget: budget)
    var buckets = [[Int32]](repeating: [], count: classCount)
    var done = 0
    while done < subsets.count {
      let subset = subsets[done]
      done += 1
      try budget.addCells(classCount)
      for i in 0..<classCount { buckets[i].removeAll(keepingCapacity: true) }
      var steps = subset.count + 60
      var edges: [RuleBuilder.LabelledEdge] = []
      var specials: [RuleBuilder.LabelledEdge] = []
      for state in subset {
        for edge in bytes[state] {
          let range = Int(classes[Int(edge.low)])...Int(classes[Int(edge.high)])
          steps += range.count
          for i in range { buckets[i].append(edge.target) }
        }
        edges += calls[state]
        specials += tokens[state]
      }
      try budget.spend(steps + edges.count + specials.count)
      var last = -1
      for i in 0..<classCount {
        if buckets[i].isEmpty {
          automaton.transitions.append(-1)
        } else if last >= 0, buckets[i] == buckets[last] {
          automaton.transitions.append(automaton.transitions[automaton.transitions.count - (i - last)])
          last = i
        } else {
          automaton.transitions.append(try self.subset(of: buckets[i], budget: budget))
          last = i
        }
      }
      automaton.accepts.append(subset.contains(RuleBuilder.end))
      automaton.calls.append(try labelled(edges, budget: budget))
      automaton.tokens.append(try labelled(specials, budget: budget))
    }
  }

  /// What states are marked with, by subset.
  func marked<Mark>(_ gates: [Int32: Mark]) -> [Int32: Mark] {
    var marked: [Int32: Mark] = [:]
    if gates.isEmpty { return marked }
    for (id, subset) in subsets.enumerated() {
      for state in subset { if let gate = gates[state] { marked[Int32(id)] = gate } }
    }
    return marked
  }

  /// One edge a label, to the union of its targets.
  private mutating func labelled(
    _ edges: [RuleBuilder.LabelledEdge], budget: CompileBudget
  ) throws(StructuredOutputError) -> [RuleAutomaton.Edge] {
    if edges.isEmpty { return [] }
    var targets: [Int32: [Int32]] = [:]
    for edge in edges { targets[edge.label, default: []].append(edge.target) }
    var result: [RuleAutomaton.Edge] = []
    for (label, seeds) in targets.sorted(by: { $0.key < $1.key }) {
      result.append(RuleAutomaton.Edge(label: label, target: try subset(of: seeds, budget: budget)))
    }
    return result
  }

  private mutating func subset(of seeds: [Int32], budget: CompileBudget) throws(StructuredOutputError) -> Int32 {
    if seeds.count == 1, idOfSingle[Int(seeds[0])] >= 0 { return idOfSingle[Int(seeds[0])] }
    stamp += 1
    var stack: [Int32] = []
    var members: [Int32] = []
    for seed in seeds where mark[Int(seed)] != stamp {
      mark[Int(seed)] = stamp
      stack.append(seed)
    }
    var steps = seeds.count
    while let state = stack.popLast() {
      steps += 1
      // States with nothing but empty edges do not tell subsets apart.
      if isKept[Int(state)] || !bytes.isEmpty(state) || !calls.isEmpty(state) || !tokens.isEmpty(state) {
        members.append(state)
      }
      for edge in empties[state] where mark[Int(edge.target)] != stamp {
        mark[Int(edge.target)] = stamp
        stack.append(edge.target)
      }
    }
    try budget.spend(steps)
    members.sort()
    let id: Int32
    if let known = ids[members] {
      id = known
    } else {
      id = Int32(subsets.count)
      subsets.append(members)
      ids[members] = id
    }
    if seeds.count == 1 { idOfSingle[Int(seeds[0])] = id }
    return id
  }
}
