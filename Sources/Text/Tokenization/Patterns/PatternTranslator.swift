/// Why a pattern cannot be used, and where (in Unicode scalars from its start).
struct PatternError: Error, Equatable {
  let reason: String
  let offset: Int
}

/// Rewrites a pattern in Oniguruma's syntax, which `tokenizer.json` uses, for PCRE2.
///
/// The two engines disagree about `^`, `$`, `(?m)`, `{,n}`, `\h`, `\b` and about which characters a class holds
/// (PCRE2 has the Unicode version it was built with). Everything that is not surely the same in both is written out
/// or refused. Groups never capture: nothing refers back to them.
struct PatternTranslator {
  static let lengthLimit = 16_384
  static let nestingLimit = 64
  static let repeatLimit = 65_535

  let scalars: [Unicode.Scalar]
  var at = 0
  var output = ""

  /// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP) that matches what `pattern` matches in Oniguruma.
  static func translate(_ pattern: String) throws(PatternError) -> String {
    guard pattern.utf8.count <= lengthLimit else {
      throw PatternError(reason: "it is longer than \(lengthLimit) bytes", offset: 0)
    }
    var translator = PatternTranslator(scalars: Array(pattern.unicodeScalars))
    try translator.translateAlternatives(depth: 0, caseless: false)
    guard translator.at == translator.scalars.count else { throw translator.error("')' without '('") }
    return translator.output
  }

  private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

  var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

  func error(_ reason: String) -> PatternError { PatternError(reason: reason, offset: at) }

  /// True, stepping over it, when `text` comes next.
  mutating func take(_ text: String) -> Bool {
    let wanted = Array(text.unicodeScalars)
    guard at + wanted.count <= scalars.count, scalars[at..<at + wanted.count].elementsEqual(wanted) else {
      return false
    }
    at += wanted.count
    return true
  }

  /// Alternatives up to the end or the ')' that closes the group, which stays.
  private mutating func translateAlternatives(depth: Int, caseless: Bool) throws(PatternError) {
    guard depth <= Self.nestingLimit else { throw error("groups nest deeper than \(Self.nestingLimit)") }
    while let scalar = next, scalar != ")" {
      switch scalar {
      case "|":
        at += 1
        output += "|"
        continue
      case "(":
        guard try translateGroup(depth: depth, caseless: caseless) else { continue }
      case "[":
        output += try parseClass(depth: 0).pattern
      case "\\":
        at += 1
        try translateEscape(caseless: caseless)
      case "^":
        at += 1
        output += "(?m:^)"
        continue
      case "$":
        at += 1
        output += "(?m:$)"
        continue
      case ".":
        at += 1
        output += "."
      case "*", "+", "?":
        throw error("'\(scalar)' repeats nothing, or a repeat")
      default:
        at += 1
        output += Self.literal(scalar)
      }
      try translateQuantifier()
    }
  }

  /// A group, with its ')'; false when it is something that cannot be repeated (a comment, or options for the rest).
  private mutating func translateGroup(depth: Int, caseless: Bool) throws(PatternError) -> Bool {
    if take("(?#") {
      while let scalar = next, scalar != ")" { at += scalar == "\\" ? 2 : 1 }
      guard take(")") else { throw error("the comment does not end") }
      return false
    }
    var inner = caseless
    if let opening = ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"].first(where: { take($0) }) {
      output += opening
    } else if take("(?<") {
      while let scalar = next, scalar != ">" {
        guard scalar.properties.isAlphabetic || scalar == "_" || ("0"..."9").contains(scalar) else {
          throw error("a group's name has other characters than letters, digits and '_'")
        }
        at += 1
      }
      guard take(">") else { throw error("a group's name does not end") }
      output += "(?:"
    } else if take("(?") {
      let (letters, isCaseless) = try parseOptions(caseless: caseless)
      inner = isCaseless
      output += "(?\(letters):"
      if take(")") {
        // Options for the rest of the enclosing group hold for its further alternatives too: a(?i)b|c is a(?i:b|c).
        try translateAlternatives(depth: depth + 1, caseless: inner)
        output += ")"
        return false
      }
      guard take(":") else { throw error("the group's options are not followed by ':' or ')'") }
    } else {
      at += 1
      output += "(?:"
    }
    try translateAlternatives(depth: depth + 1, caseless: inner)
    guard take(")") else { throw error("a group is not closed") }
    output += ")"
    return true
  }

  /// The letters of `(?i-m:`; Oniguruma's "m" lets '.' match a newline, which PCRE2 calls "s".
  private mutating func parseOptions(caseless: Bool) throws(PatternError) -> (letters: String, caseless: Bool) {
    var letters = ""
    var caseless = caseless
    var isOn = true
    while let scalar = next, scalar != ")", scalar != ":" {
      switch scalar {
      case "-" where isOn:
        isOn = false
        letters += "-"
      case "i":
        caseless = isOn
        letters += "i"
      case "m": letters += "s"
      default: throw error("the group option '\(scalar)' is not supported")
      }
      at += 1
    }
    return (letters, caseless)
  }

  private mutating func translateQuantifier() throws(PatternError) {
    guard let scalar = next else { return }
    switch scalar {
    case "*", "+", "?":
      at += 1
      output.unicodeScalars.append(scalar)
      if take("?") { output += "?" } else if take("+") { output += "+" }
    case "{":
      guard let interval = try parseInterval() else { return }
      output += interval
    default: return
    }
    if let after = next, after == "*" || after == "+" || after == "?" {
      throw error("a repeat of a repeat is not supported; put the inner one in a group")
    }
    let mark = at
    if next == "{", try parseInterval() != nil {
      at = mark
      throw error("a repeat of a repeat is not supported; put the inner one in a group")
    }
    at = mark
  }

  /// `{n}`, `{n,}`, `{,m}` or `{n,m}` with an optional lazy '?'; nil, not moving, when '{' is a plain character.
  private mutating func parseInterval() throws(PatternError) -> String? {
    let start = at
    at += 1
    let low = try parseCount()
    let hasComma = take(",")
    let high = hasComma ? try parseCount() : low
    guard take("}"), low != nil || high != nil else {
      at = start
      return nil
    }
    if let low, let high, low > high { throw error("the repeat {\(low),\(high)} counts down") }
    guard hasComma else {
      guard next != "?", next != "+" else { throw error("{n} followed by '?' or '+' is not supported") }
      return "{\(low ?? 0)}"
    }
    guard next != "+" else { throw error("{n,m} followed by '+' is not supported") }
    return "{\(low ?? 0),\(high.map(String.init) ?? "")}" + (take("?") ? "?" : "")
  }

  private mutating func parseCount() throws(PatternError) -> Int? {
    var value: Int?
    while let scalar = next, ("0"..."9").contains(scalar) {
      let count = (value ?? 0) * 10 + Int(scalar.value - 48)
      guard count <= Self.repeatLimit else { throw error("a repeat count is above \(Self.repeatLimit)") }
      value = count
      at += 1
    }
    return value
  }

  /// A character as PCRE2 writes it outside a class.
  static func literal(_ scalar: Unicode.Scalar) -> String {
    switch scalar.value {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: String(scalar)
    case 0..<0x21, 0x7F: hexadecimal(scalar.value)
    case 0x21..<0x7F: "\\" + String(scalar)
    default: String(scalar)
    }
  }

  static func hexadecimal(_ value: UInt32) -> String { "\\x{" + String(value, radix: 16) + "}" }
}
