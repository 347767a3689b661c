extension RuleBuilder {
  /// How the scalars of a string are written.
  enum Encoding {
    /// As they are. For texts that hold ASCII only.
    case plain
    /// Inside of a JSON string, each in one way: raw UTF-8 if it may stand there, else the short escape, else `\u00xx`.
    /// Rules for any one scalar beyond ASCII and any one that is escaped keep strings that count scalars small.
    case jsonString(beyondASCII: Int32, escaped: Int32)
    /// As `jsonString`, without calls of other rules.
    case unsharedString
  }

  /// Adds the strings that `automaton` accepts; returns the states that stand for its own.
  @discardableResult
  mutating func add(
    _ automaton: ScalarAutomaton, as encoding: Encoding, from: Int32, to target: Int32
  ) -> [Int32] {
    guard !automaton.isEmpty else { return [] }
    var states: [Int32] = []
    for _ in 0..<automaton.stateCount { states.append(makeState()) }
    addEmpty(from: from, to: states[0])
    var tails = UTF8Tails()
    for state in 0..<automaton.stateCount {
      if automaton.accepts[state] { addEmpty(from: states[state], to: target) }
      // Classes with the same target are one set: it has fewer ranges than they have.
      var sets: [Int32: [ClosedRange<UInt32>]] = [:]
      for column in automaton.alphabet.indices {
        let next = automaton.next(state, column)
        if next >= 0 { sets[next, default: []] += automaton.alphabet[column].ranges }
      }
      for next in sets.keys.sorted() {
        addScalar(ScalarSet(sets[next]!), as: encoding, from: states[state], to: states[Int(next)], tails: &tails)
      }
    }
    return states
  }

  /// Adds one scalar of `set`.
  private mutating func addScalar(
    _ set: ScalarSet, as encoding: Encoding, from: Int32, to target: Int32, tails: inout UTF8Tails
  ) {
    var set = set
    switch encoding {
    case .plain:
      for range in set.ranges { addUTF8(range, from: from, to: target, tails: &tails) }
      return
    case .unsharedString: break
    case .jsonString(let beyondASCII, let escapedRule):
      if set.isSuperset(of: .beyondASCII) {
        addCall(beyondASCII, from: from, to: target)
        set = set.intersection(ScalarSet.beyondASCII.complement)
      }
      if set.isSuperset(of: .escaped) {
        addCall(escapedRule, from: from, to: target)
        set = set.intersection(ScalarSet.escaped.complement)
      }
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
  private mutating func addUTF8(
    _ range: ClosedRange<UInt32>, from: Int32, to target: Int32, tails: inout UTF8Tails
  ) {
    for limits in [0...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF] as [ClosedRange<UInt32>]
    where range.overlaps(limits) {
      let part = range.clamped(to: limits)
      let low = Array(UTF8.encode(Unicode.Scalar(part.lowerBound)!)!)
      let high = Array(UTF8.encode(Unicode.Scalar(part.upperBound)!)!)
      addSequences(low[...], high[...], from: from, to: target, tails: &tails)
    }
  }

  /// Adds the sequences from `low` to `high`, of one length, whose continuation bytes run over 80…BF.
  private mutating func addSequences(
    _ low: ArraySlice<UInt8>, _ high: ArraySlice<UInt8>, from: Int32, to target: Int32, tails: inout UTF8Tails
  ) {
    let (first, last) = (low.first!, high.first!)
    if low.count == 1 { return addBytes(first...last, from: from, to: target) }
    let (lowRest, highRest) = (low.dropFirst(), high.dropFirst())
    let lowest = [UInt8](repeating: 0x80, count: lowRest.count)[...]
    let highest = [UInt8](repeating: 0xBF, count: lowRest.count)[...]
    if first == last {
      addBytes(first...first, from: from, to: tail(lowRest, highRest, to: target, tails: &tails))
      return
    }
    var (begin, end) = (first, last)
    if !lowRest.allSatisfy({ $0 == 0x80 }) {
      addBytes(first...first, from: from, to: tail(lowRest, highest, to: target, tails: &tails))
      begin += 1
    }
    if !highRest.allSatisfy({ $0 == 0xBF }) {
      addBytes(last...last, from: from, to: tail(lowest, highRest, to: target, tails: &tails))
      end -= 1
    }
    if begin <= end { addBytes(begin...end, from: from, to: tail(lowest, highest, to: target, tails: &tails)) }
  }

  /// The state from which the sequences from `low` to `high` lead to `target`; one for all that ask for the same.
  private mutating func tail(
    _ low: ArraySlice<UInt8>, _ high: ArraySlice<UInt8>, to target: Int32, tails: inout UTF8Tails
  ) -> Int32 {
    let key = UTF8Tails.Key(target: target, low: Array(low), high: Array(high))
    if let known = tails.states[key] { return known }
    let state = makeState()
    tails.states[key] = state
    addSequences(low, high, from: state, to: target, tails: &tails)
    return state
  }
}

extension ScalarSet {
  static let beyondASCII = ScalarSet([0x80...0x10FFFF])
  /// What cannot stand for itself in a JSON string.
  static let escaped = ScalarSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])
}

/// States in the middle of characters that several edges share.
struct UTF8Tails {
  struct Key: Hashable {
    var target: Int32
    var low: [UInt8]
    var high: [UInt8]
  }
  var states: [Key: Int32] = [:]
}
