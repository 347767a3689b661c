extension RuleBuilder {
  /// How the scalars of a string are written.
  enum Encoding {
    /// As they are. For texts that hold ASCII only.
    case plain
    /// Inside of a JSON string, each in one way: raw UTF-8 if it may stand there, else the short escape, else `\u00xx`.
    /// Rules for any one scalar of some sets keep strings that count scalars small.
    case jsonString(SharedScalars)
    /// As `jsonString`, without calls of other rules.
    case unsharedString
  }

  /// Rules for any one scalar of these sets.
  struct SharedScalars {
    var beyondASCII: Int32
    var escaped: Int32
    /// What sets hold beyond ASCII, by the sets' numbers.
    var others: [Int: Int32] = [:]
  }

  /// Adds the strings that `automaton` accepts; returns the states that stand for its own.
  @discardableResult
  mutating func add(_ automaton: ScalarAutomaton, as encoding: Encoding, from: Int32, to target: Int32) -> [Int32] {
    add(automaton, ScalarEdges(automaton), as: encoding, from: from, to: target)
  }

  @discardableResult
  mutating func add(
    _ automaton: ScalarAutomaton, _ edges: ScalarEdges, as encoding: Encoding, from: Int32, to target: Int32
  ) -> [Int32] {
    guard !automaton.isEmpty else { return [] }
    var states: [Int32] = []
    for _ in 0..<automaton.stateCount { states.append(makeState()) }
    addEmpty(from: from, to: states[0])
    for state in 0..<automaton.stateCount where automaton.accepts[state] { addEmpty(from: states[state], to: target) }
    var tails = UTF8Tails()
    // What is left of the sets once rules are called.
    var left: [ScalarSet?] = edges.sets.map { _ in nil }
    for edge in edges.all {
      let (from, target) = (states[edge.from], states[edge.target])
      var set = edges.sets[edge.set]
      if case .jsonString(let shared) = encoding {
        var removed: [ScalarSet] = []
        if set.isSuperset(of: .beyondASCII) {
          addCall(shared.beyondASCII, from: from, to: target)
          removed.append(.beyondASCII)
        } else if let other = shared.others[edge.set] {
          addCall(other, from: from, to: target)
          removed.append(.beyondASCII)
        }
        if set.isSuperset(of: .escaped) {
          addCall(shared.escaped, from: from, to: target)
          removed.append(.escaped)
        }
        if let known = left[edge.set] {
          set = known
        } else {
          for part in removed { set = set.intersection(part.complement) }
          left[edge.set] = set
        }
      }
      addScalar(set, isPlain: encoding.isPlain, from: from, to: target, tails: &tails)
    }
    return states
  }

  /// Adds one scalar of `set`.
  mutating func addScalar(_ set: ScalarSet, isPlain: Bool, from: Int32, to target: Int32, tails: inout UTF8Tails) {
    if isPlain {
      for range in set.ranges { addUTF8(range, from: from, to: target, tails: &tails) }
      return
    }
    var escaped: [UInt8] = []
    for range in set.ranges {
      var low = range.lowerBound
      // 0x22 and 0x5C are the quote and the backslash.
      while low <= min(range.upperBound, 0x5C) {
        let high = min(range.upperBound, low < 0x22 ? 0x21 : low < 0x5C ? 0x5B : 0x5C)
        if low < 0x20 || low == 0x22 || low == 0x5C {
          escaped.append(UInt8(low))
          low += 1
        } else {
          addUTF8(low...high, from: from, to: target, tails: &tails)
          low = high + 1
        }
      }
      if low <= range.upperBound { addUTF8(low...range.upperBound, from: from, to: target, tails: &tails) }
    }
    addEscapes(escaped, from: from, to: target)
  }

  /// Adds the escapes of characters that cannot stand for themselves in a JSON string.
  mutating func addEscapes(_ escaped: [UInt8], from: Int32, to target: Int32) {
    if escaped.isEmpty { return }
    let backslash = makeState()
    addByte("\\", from: from, to: backslash)
    var numbered: [UInt8] = []
    for byte in escaped {
      if let letter = JSONText.shortEscapes[byte] {
        addBytes(letter...letter, from: backslash, to: target)
      } else {
        numbered.append(byte)
      }
    }
    guard !numbered.isEmpty else { return }
    let zeros = makeState()
    addLiteral("u00", from: backslash, to: zeros)
    for high in Set(numbered.map { $0 >> 4 }).sorted() {
      let digit = makeState()
      addBytes((48 + high)...(48 + high), from: zeros, to: digit)
      for byte in numbered where byte >> 4 == high {
        let low = byte & 15
        for code in low < 10 ? [48 + low] : [55 + low, 87 + low] { addBytes(code...code, from: digit, to: target) }
      }
    }
  }

  /// Adds the UTF-8 of a range of scalars without surrogates, cut where lengths change, and into products of ranges of
  /// bytes.
  private mutating func addUTF8(_ range: ClosedRange<UInt32>, from: Int32, to target: Int32, tails: inout UTF8Tails) {
    for (count, limits) in [(1, 0...0x7F), (2, 0x80...0x7FF), (3, 0x800...0xFFFF), (4, 0x10000...0x10FFFF)]
      as [(Int, ClosedRange<UInt32>)]
    where range.overlaps(limits) {
      let part = range.clamped(to: limits)
      addSequences(
        UTF8Sequences(count: count, low: part.lowerBound, high: part.upperBound), lead: UTF8Sequences.leads[count],
        from: from, to: target, tails: &tails)
    }
  }

  /// Adds `sequences`, whose first bytes are `lead` and what six bits a continuation byte leave of the scalars.
  private mutating func addSequences(
    _ sequences: UTF8Sequences, lead: UInt8, from: Int32, to target: Int32, tails: inout UTF8Tails
  ) {
    let shift = UInt32(6 * (sequences.count - 1))
    let rest: UInt32 = 1 << shift - 1
    var (first, last) = (sequences.low >> shift, sequences.high >> shift)
    func add(_ bytes: ClosedRange<UInt32>, _ low: UInt32, _ high: UInt32, _ builder: inout RuleBuilder) {
      let next =
        shift == 0
        ? target
        : builder.tail(UTF8Sequences(count: sequences.count - 1, low: low, high: high), to: target, tails: &tails)
      builder.addBytes(lead | UInt8(bytes.lowerBound)...lead | UInt8(bytes.upperBound), from: from, to: next)
    }
    let (low, high) = (sequences.low & rest, sequences.high & rest)
    if first == last { return add(first...first, low, high, &self) }
    if low != 0 {
      add(first...first, low, rest, &self)
      first += 1
    }
    if high != rest {
      add(last...last, 0, high, &self)
      last -= 1
    }
    if first <= last { add(first...last, 0, rest, &self) }
  }

  /// The state from which `sequences` of continuation bytes lead to `target`; one for all that ask for the same.
  private mutating func tail(_ sequences: UTF8Sequences, to target: Int32, tails: inout UTF8Tails) -> Int32 {
    let key = UTF8Tails.Key(target: target, sequences: sequences)
    if let known = tails.states[key] { return known }
    let state = makeState()
    tails.states[key] = state
    addSequences(sequences, lead: 0x80, from: state, to: target, tails: &tails)
    return state
  }
}

extension RuleBuilder.Encoding {
  fileprivate var isPlain: Bool { if case .plain = self { true } else { false } }
}

extension ScalarSet {
  static let beyondASCII = ScalarSet([0x80...0x10FFFF])
  /// What cannot stand for itself in a JSON string.
  static let escaped = ScalarSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])
}

/// The sequences of `count` bytes whose bits, six a continuation byte, are the numbers from `low` to `high`.
struct UTF8Sequences: Hashable {
  /// What the first byte holds besides bits, by the number of bytes.
  static let leads: [UInt8] = [0, 0, 0xC0, 0xE0, 0xF0]
  var count: Int
  var low: UInt32
  var high: UInt32
}

/// States in the middle of characters that several edges share.
struct UTF8Tails {
  struct Key: Hashable {
    var target: Int32
    var sequences: UTF8Sequences
  }
  var states: [Key: Int32] = [:]
}
