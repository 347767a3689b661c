/// A regular expression as a tree.
indirect enum Regex {
  case empty
  case scalars(ScalarSet)
  case concatenation([Regex])
  case alternation([Regex])
  case repetition(Regex, atLeast: Int, atMost: Int?)
  case begin
  case end
}

/// Why a pattern cannot be used, and where (in Unicode scalars from its start).
struct RegexError: Error {
  var reason: String
  var offset: Int
}

/// Reads the regular part of ECMA-262's patterns: classes, escapes, groups, alternatives, repeats, `^` and `$`.
///
/// Lookaround, back references, word boundaries and Unicode properties are refused: they are not regular, or differ
/// between validators.
struct RegexParser {
  static let lengthLimit = 4096
  static let nestingLimit = 48
  static let repeatLimit = 10_000

  private let scalars: [Unicode.Scalar]
  /// Whether to match all that some dialect matches, instead of what all do.
  private let isWide: Bool
  private var at = 0

  /// `lengthLimit` is in bytes, and nil for patterns that no user has written.
  static func parse(
    _ pattern: String, isWide: Bool = false, lengthLimit: Int? = lengthLimit
  ) throws(RegexError) -> Regex {
    if let lengthLimit, pattern.utf8.count > lengthLimit {
      throw RegexError(reason: "it is longer than \(lengthLimit) bytes", offset: 0)
    }
    var parser = RegexParser(scalars: Array(pattern.unicodeScalars), isWide: isWide)
    let tree = try parser.alternation(depth: 0)
    guard parser.at == parser.scalars.count else { throw parser.error("')' without '('") }
    return tree
  }

  private init(scalars: [Unicode.Scalar], isWide: Bool) { (self.scalars, self.isWide) = (scalars, isWide) }

  private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }
  private func error(_ reason: String) -> RegexError { RegexError(reason: reason, offset: at) }

  private mutating func take(_ text: String) -> Bool {
    let wanted = Array(text.unicodeScalars)
    guard at + wanted.count <= scalars.count, scalars[at..<at + wanted.count].elementsEqual(wanted) else {
      return false
    }
    at += wanted.count
    return true
  }

  private mutating func alternation(depth: Int) throws(RegexError) -> Regex {
    guard depth <= Self.nestingLimit else { throw error("groups nest deeper than \(Self.nestingLimit)") }
    var branches: [Regex] = []
    var items: [Regex] = []
    while let scalar = next, scalar != ")" {
      if take("|") {
        branches.append(.concatenation(items))
        items = []
      } else {
        items.append(try quantified(try atom(depth: depth)))
      }
    }
    branches.append(.concatenation(items))
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func atom(depth: Int) throws(RegexError) -> Regex {
    let scalar = scalars[at]
    switch scalar {
    case "^", "$":
      at += 1
      if let next, "*+?{".unicodeScalars.contains(next) { throw error("'\(scalar)' cannot be repeated") }
      if scalar == "^" { return .begin }
      // Python's '$' also stands before a line end that ends the string.
      return isWide ? .alternation([.end, .concatenation([.scalars(ScalarSet("\n")), .end])]) : .end
    case "(":
      at += 1
      if take("?:") {
      } else if take("?<"), next != "=", next != "!" {
        while let letter = next, letter != ">" {
          guard letter == "_" || letter == "$" || letter.properties.isAlphabetic || ("0"..."9").contains(letter) else {
            throw error("a group's name has other characters than letters, digits, '_' and '$'")
          }
          at += 1
        }
        guard take(">") else { throw error("a group's name does not end") }
      } else if scalars[at - 1] == "<" || next == "?" {
        throw error("lookahead, lookbehind and options in groups are not supported")
      }
      let inner = try alternation(depth: depth + 1)
      guard take(")") else { throw error("a group is not closed") }
      return inner
    case "[":
      at += 1
      return .scalars(try characterClass())
    case "\\":
      at += 1
      let meaning = try escape(inClass: false)
      return .scalars(isWide ? meaning.wide : meaning.narrow)
    case ".":
      at += 1
      return .scalars(isWide ? ScalarSet("\n").complement : ScalarSet.lineEnds.complement)
    case "*", "+", "?", "{": throw error("'\(scalar)' repeats nothing; write \\\(scalar) for the character")
    default:
      at += 1
      return .scalars(ScalarSet(scalar))
    }
  }

  private mutating func quantified(_ item: Regex) throws(RegexError) -> Regex {
    let counts: (Int, Int?)
    switch next {
    case "*": counts = (0, nil)
    case "+": counts = (1, nil)
    case "?": counts = (0, 1)
    case "{":
      at += 1
      let low = try count()
      var high: Int? = low
      if take(",") { high = next == "}" ? nil : try count() }
      guard next == "}" else { throw error("a repeat count does not end with '}'") }
      if let high, high < low { throw error("a repeat count's maximum is below its minimum") }
      counts = (low, high)
    default: return item
    }
    at += 1
    // A lazy repeat matches the same strings.
    _ = take("?")
    if let next, "*+?{".unicodeScalars.contains(next) { throw error("a repeat cannot be repeated") }
    return .repetition(item, atLeast: counts.0, atMost: counts.1)
  }

  private mutating func count() throws(RegexError) -> Int {
    var value = 0
    let start = at
    while let digit = next, ("0"..."9").contains(digit) {
      value = value * 10 + Int(digit.value - 48)
      guard value <= Self.repeatLimit else { throw error("a repeat count is over the limit of \(Self.repeatLimit)") }
      at += 1
    }
    guard at > start else { throw error("a repeat count is missing") }
    return value
  }

  /// What an escape stands for: `narrow` surely, `wide` at most.
  private typealias Meaning = (narrow: ScalarSet, wide: ScalarSet)

  private mutating func characterClass() throws(RegexError) -> ScalarSet {
    let isNegated = take("^")
    var narrow: [ClosedRange<UInt32>] = []
    var wide: [ClosedRange<UInt32>] = []
    while let scalar = next, scalar != "]" {
      let low = try member()
      if next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" {
        at += 1
        let high = try member()
        guard let from = low.single, let to = high.single else {
          throw error("a range in a class needs a character at each end")
        }
        guard from <= to else { throw error("a range in a class runs backwards") }
        narrow.append(from...to)
        wide.append(from...to)
      } else {
        narrow += low.meaning.narrow.ranges
        wide += low.meaning.wide.ranges
      }
    }
    guard take("]") else { throw error("a class is not closed") }
    if isWide { return isNegated ? ScalarSet(narrow).complement : ScalarSet(wide) }
    return isNegated ? ScalarSet(wide).complement : ScalarSet(narrow)
  }

  private mutating func member() throws(RegexError) -> (meaning: Meaning, single: UInt32?) {
    let scalar = scalars[at]
    at += 1
    // Some dialects have set operations here.
    if scalar == "[", next == ":" { throw error("classes like [:alpha:] are not supported") }
    let meaning: Meaning = scalar == "\\" ? try escape(inClass: true) : (ScalarSet(scalar), ScalarSet(scalar))
    let ranges = meaning.narrow.ranges
    return (meaning, ranges.count == 1 && ranges[0].count == 1 ? ranges[0].lowerBound : nil)
  }

  private mutating func escape(inClass: Bool) throws(RegexError) -> Meaning {
    guard let scalar = next else { throw error("the pattern ends in '\\'") }
    at += 1
    func single(_ value: UInt32) -> Meaning { (ScalarSet([value...value]), ScalarSet([value...value])) }
    switch scalar {
    case "d": return (.digits, .anyDigits)
    case "w": return (.wordCharacters, .anyWordCharacters)
    case "s": return (.spaces, .anySpaces)
    case "D": return (ScalarSet.anyDigits.complement, ScalarSet.digits.complement)
    case "W": return (ScalarSet.anyWordCharacters.complement, ScalarSet.wordCharacters.complement)
    case "S": return (ScalarSet.anySpaces.complement, ScalarSet.spaces.complement)
    case "t": return single(0x09)
    case "n": return single(0x0A)
    case "v": return single(0x0B)
    case "f": return single(0x0C)
    case "r": return single(0x0D)
    case "0":
      if let next, ("0"..."9").contains(next) { throw error("octal escapes are not supported") }
      return single(0)
    case "b" where inClass: return single(0x08)
    case "x": return single(try hexadecimal(2))
    case "u": return single(try unicodeEscape())
    case "b", "B": throw error("word boundaries are not supported")
    case "1"..."9", "k": throw error("back references are not supported")
    case "p", "P": throw error("Unicode properties are not supported; list the ranges")
    case "a"..."z", "A"..."Z": throw error("the escape \\\(scalar) is not supported")
    default: return single(scalar.value)
    }
  }

  private mutating func unicodeEscape() throws(RegexError) -> UInt32 {
    if take("{") {
      var value: UInt32 = 0
      var count = 0
      while let digit = next, digit != "}" {
        guard let nibble = digit.properties.isASCIIHexDigit ? UInt32(String(digit), radix: 16) : nil, count < 6 else {
          throw error("\\u{…} needs one to six hexadecimal digits")
        }
        value = value << 4 | nibble
        count += 1
        at += 1
      }
      guard count > 0, take("}"), Unicode.Scalar(value) != nil else { throw error("\\u{…} is not a character") }
      return value
    }
    let value = try hexadecimal(4)
    if (0xD800...0xDBFF).contains(value), take("\\u") {
      let low = try hexadecimal(4)
      guard (0xDC00...0xDFFF).contains(low) else { throw error("half a surrogate pair is not a character") }
      return 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
    }
    guard Unicode.Scalar(value) != nil else { throw error("half a surrogate pair is not a character") }
    return value
  }

  private mutating func hexadecimal(_ count: Int) throws(RegexError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = next, digit.properties.isASCIIHexDigit, let nibble = UInt32(String(digit), radix: 16) else {
        throw error("\(count) hexadecimal digits are missing")
      }
      value = value << 4 | nibble
      at += 1
    }
    return value
  }
}
