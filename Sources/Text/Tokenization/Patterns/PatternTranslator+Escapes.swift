extension PatternTranslator {
  /// What follows a backslash outside brackets; the backslash is behind us.
  mutating func translateEscape(caseless: Bool) throws(PatternError) {
    guard let scalar = next else { throw error("the pattern ends in a backslash") }
    switch scalar {
    case "A", "z", "Z":
      at += 1
      output += "\\" + String(scalar)
    case "b", "B":
      at += 1
      let word = CharacterClass.word(isBracketed: false).pattern
      output +=
        scalar == "b"
        ? "(?:(?<=\(word))(?!\(word))|(?<!\(word))(?=\(word)))"
        : "(?:(?<=\(word))(?=\(word))|(?<!\(word))(?!\(word)))"
    case "R":
      at += 1
      output += "(?>\\x{d}\\x{a}|[\\x{a}-\\x{d}\\x{85}\\x{2028}\\x{2029}])"
    case "w", "W":
      at += 1
      var word = CharacterClass.word(isBracketed: false)
      word.isNegated = scalar == "W"
      output += word.pattern
    default:
      if let set = try parseClassEscape() {
        // Outside brackets a property keeps its case: (?i)\p{Lu} does not match "a".
        output += caseless ? "(?-i:\(set.pattern))" : set.pattern
      } else {
        output += Self.literal(try parseCharacterEscape())
      }
    }
  }

  /// `\p{…}`, `\s`, `\d`, `\h` and their negations; nil, not moving, for anything else.
  mutating func parseClassEscape() throws(PatternError) -> CharacterClass? {
    guard let scalar = next else { return nil }
    switch scalar {
    case "s", "S":
      at += 1
      return CharacterClass(UnicodeClasses.whitespace, isNegated: scalar == "S")
    case "d", "D":
      at += 1
      return CharacterClass(categories: ["Nd"], isNegated: scalar == "D")
    case "w", "W":
      at += 1
      var word = CharacterClass.word(isBracketed: true)
      word.isNegated = scalar == "W"
      return word
    case "h", "H":
      at += 1
      return CharacterClass(ScalarSet(hexadecimal: "30-39 41-46 61-66"), isNegated: scalar == "H")
    case "p", "P":
      guard at + 1 < scalars.count, scalars[at + 1] == "{" else { return nil }
      at += 2
      var isNegated = scalar == "P"
      if take("^") { isNegated.toggle() }
      var name = ""
      while let scalar = next, scalar != "}" {
        name.unicodeScalars.append(scalar)
        at += 1
      }
      guard take("}") else { throw error("\\p{ is not closed") }
      if let category = UnicodeClasses.categoryName(of: name) {
        return CharacterClass(categories: [category], isNegated: isNegated)
      }
      guard let set = UnicodeClasses.property(name) else {
        throw error("the character property \"\(name)\" is not supported")
      }
      return CharacterClass(set, isNegated: isNegated)
    default: return nil
    }
  }

  /// An escape that stands for one character.
  mutating func parseCharacterEscape() throws(PatternError) -> Unicode.Scalar {
    guard let scalar = next else { throw error("the pattern ends in a backslash") }
    at += 1
    switch scalar {
    case "n": return "\n"
    case "t": return "\t"
    case "r": return "\r"
    case "f": return "\u{C}"
    case "v": return "\u{B}"
    case "a": return "\u{7}"
    case "e": return "\u{1B}"
    case "x":
      if take("{") {
        let value = try parseHexadecimal(atMost: 8)
        guard take("}") else { throw error("\\x{ is not closed") }
        return try scalarValue(value)
      }
      let value = try parseHexadecimal(atMost: 2)
      guard value < 0x80 else { throw error("\\x with two digits above 7F is a byte, not a character; write \\x{…}") }
      return try scalarValue(value)
    case "u":
      guard at + 4 <= scalars.count else { throw error("\\u needs four hexadecimal digits") }
      return try scalarValue(try parseHexadecimal(atMost: 4))
    case "0":
      var value: UInt32 = 0
      var count = 0
      while count < 2, let digit = next, ("0"..."7").contains(digit) {
        value = value * 8 + (digit.value - 48)
        count += 1
        at += 1
      }
      return try scalarValue(value)
    case "1"..."9", "k", "g": throw error("references to groups are not supported")
    case "X", "G", "K", "N", "O", "y", "Y", "c", "C", "M", "b", "B", "A", "z", "Z", "R":
      throw error("\\\(scalar) is not supported here")
    default: return scalar
    }
  }

  private mutating func parseHexadecimal(atMost limit: Int) throws(PatternError) -> UInt32 {
    var value: UInt32 = 0
    var count = 0
    while count < limit, let scalar = next, let digit = Character(scalar).hexDigitValue, scalar.isASCII {
      value = value << 4 | UInt32(digit)
      count += 1
      at += 1
    }
    guard count > 0 else { throw error("a hexadecimal digit is missing") }
    return value
  }

  private func scalarValue(_ value: UInt32) throws(PatternError) -> Unicode.Scalar {
    guard let scalar = Unicode.Scalar(value) else { throw error("\(value) is not a character's code") }
    return scalar
  }
}
