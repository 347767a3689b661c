/// A nondeterministic automaton over bytes, being built: one rule of the grammar.
///
/// Besides bytes, an edge may ask for another rule's whole output (a call) or for one special token.
struct RuleBuilder {
  struct ByteEdge {
    var from: Int32
    var low: UInt8
    var high: UInt8
    var target: Int32
  }
  /// An edge for a rule or a token.
  struct LabelledEdge: Hashable {
    var from: Int32
    var label: Int32
    var target: Int32
  }

  static let start: Int32 = 0
  static let end: Int32 = 1

  private(set) var stateCount = 2
  private(set) var byteEdges: [ByteEdge] = []
  private(set) var emptyEdges: [(from: Int32, target: Int32)] = []
  private(set) var calls: [LabelledEdge] = []
  private(set) var tokens: [LabelledEdge] = []
  /// What states of an object's rule ask of its members, where they stand alone.
  private(set) var gates: [Int32: MemberGate] = [:]
  /// States between characters of strings in which any character may follow.
  private(set) var contents: [Int32: StringContent.Spelling] = [:]
  /// What is kept beside the states of this rule, which is all of an object or a string.
  var table: RecordTable?
  /// Bytes that the vocabulary has as tokens of their own. Edges are made for these only: so there is a token for each
  /// step of each path, and no state is a dead end for want of one.
  let usable: [Bool]
  let allUsable: Bool

  init(usable: [Bool]) {
    self.usable = usable
    allUsable = usable.allSatisfy { $0 }
  }

  mutating func makeState() -> Int32 {
    stateCount += 1
    return Int32(stateCount - 1)
  }

  mutating func addBytes(_ range: ClosedRange<UInt8>, from: Int32, to target: Int32) {
    if allUsable {
      byteEdges.append(ByteEdge(from: from, low: range.lowerBound, high: range.upperBound, target: target))
      return
    }
    for byte in range where usable[Int(byte)] {
      byteEdges.append(ByteEdge(from: from, low: byte, high: byte, target: target))
    }
  }

  mutating func addByte(_ character: Unicode.Scalar, from: Int32, to target: Int32) {
    let byte = UInt8(ascii: character)
    addBytes(byte...byte, from: from, to: target)
  }

  mutating func addEmpty(from: Int32, to target: Int32) {
    if from != target { emptyEdges.append((from, target)) }
  }

  mutating func addCall(_ rule: Int32, from: Int32, to target: Int32) {
    calls.append(LabelledEdge(from: from, label: rule, target: target))
  }

  mutating func addContent(_ spelling: StringContent.Spelling, at state: Int32) { contents[state] = spelling }
  mutating func addGate(_ gate: MemberGate, at state: Int32) { gates[state] = gate }

  mutating func addToken(_ token: Int32, from: Int32, to target: Int32) {
    tokens.append(LabelledEdge(from: from, label: token, target: target))
  }

  /// A chain for exactly `bytes`; returns its states, from `from` to `target`.
  @discardableResult
  mutating func addLiteral(_ bytes: some Collection<UInt8>, from: Int32, to target: Int32) -> [Int32] {
    guard !bytes.isEmpty else {
      addEmpty(from: from, to: target)
      return [from]
    }
    var states = [from]
    for (i, byte) in bytes.enumerated() {
      let next = i == bytes.count - 1 ? target : makeState()
      addBytes(byte...byte, from: states[i], to: next)
      states.append(next)
    }
    return states
  }

  mutating func addLiteral(_ text: String, from: Int32, to target: Int32) {
    addLiteral(Array(text.utf8), from: from, to: target)
  }
}
