/// A set of characters in a pattern: explicit ones, and general categories that PCRE2 can test by table.
struct CharacterClass {
  var ranges: [ClosedRange<UInt32>] = []
  var categories: [String] = []
  var isNegated = false

  init() {}

  init(_ set: ScalarSet, isNegated: Bool = false) {
    ranges = set.ranges
    self.isNegated = isNegated
  }

  init(categories: [String], isNegated: Bool = false) {
    self.categories = categories
    self.isNegated = isNegated
  }

  static func word(isBracketed: Bool) -> CharacterClass {
    var word = CharacterClass(UnicodeClasses.extraWord)
    if !isBracketed { word.ranges += UnicodeClasses.latinWordNumbers.ranges }
    word.categories = UnicodeClasses.wordCategories
    return word
  }

  /// The characters, each listed.
  var set: ScalarSet {
    let content = ScalarSet(ranges + categories.flatMap { UnicodeClasses.category($0).ranges })
    return isNegated ? content.inverted() : content
  }

  /// Adds the characters of `other`.
  mutating func formUnion(_ other: CharacterClass) {
    if other.isNegated {
      ranges += other.set.ranges
    } else {
      ranges += other.ranges
      categories += other.categories
    }
  }

  /// Keeps the characters that are in `other`, too. A category that lies wholly in it stays one, which is faster to
  /// test than many ranges.
  mutating func formIntersection(_ other: CharacterClass) {
    let set = other.set
    guard !isNegated else {
      self = CharacterClass(self.set.intersection(set))
      return
    }
    ranges = ScalarSet(ranges).intersection(set).ranges
    var whole: [String] = []
    for category in categories {
      let content = UnicodeClasses.category(category)
      let kept = content.intersection(set)
      if kept == content { whole.append(category) } else { ranges += kept.ranges }
    }
    categories = whole
  }

  /// Ranges in the order in which they are tried: of many the longest first, as most characters of a text are in few of
  /// them.
  private static func ordered(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    guard ranges.count > 32 else { return ranges }
    return ranges.sorted { ($1.count, $0.lowerBound) < ($0.count, $1.lowerBound) }
  }

  /// The class in PCRE2's syntax, with what the engine's own Unicode tables lack written out.
  var pattern: String {
    var native = ""
    var explicit = ranges
    for category in Set(categories).sorted() {
      if let missing = EngineCategories.missing(from: category) {
        native += "\\p{\(category == "LC" ? "L&" : category)}"
        explicit += missing
      } else {
        explicit += UnicodeClasses.category(category).ranges
      }
    }
    for range in Self.ordered(ScalarSet(explicit).ranges) {
      native += PatternTranslator.hexadecimal(range.lowerBound)
      if range.count > 1 { native += "-" + PatternTranslator.hexadecimal(range.upperBound) }
    }
    if native.isEmpty { return isNegated ? "(?s:.)" : "(?!)" }
    return (isNegated ? "[^" : "[") + native + "]"
  }
}

extension PatternTranslator {
  /// A bracketed class, from its '[' over its ']'.
  mutating func parseClass(depth: Int) throws(PatternError) -> CharacterClass {
    guard depth <= Self.nestingLimit else { throw error("classes nest deeper than \(Self.nestingLimit)") }
    at += 1
    let isNegated = take("^")
    var whole: CharacterClass?
    var part = CharacterClass()
    var isFirst = true
    while true {
      guard let scalar = next else { throw error("a class is not closed") }
      if scalar == "]", !isFirst { break }
      isFirst = false
      if take("&&") {
        if whole?.formIntersection(part) == nil { whole = part }
        part = CharacterClass()
      } else if scalar == "[" {
        if let posix = try parsePOSIXClass() {
          part.formUnion(posix)
        } else {
          part.formUnion(try parseClass(depth: depth + 1))
        }
      } else {
        try parseClassItem(into: &part)
      }
    }
    at += 1
    if var all = whole {
      all.formIntersection(part)
      part = all
    }
    part.isNegated = isNegated
    return part
  }

  /// A character, a range of characters or an escaped class.
  private mutating func parseClassItem(into part: inout CharacterClass) throws(PatternError) {
    if next == "\\" {
      at += 1
      if let escaped = try parseClassEscape() {
        part.formUnion(escaped)
        guard next != "-" || at + 1 >= scalars.count || scalars[at + 1] == "]" else {
          throw error("a range cannot begin at a class")
        }
        return
      }
      at -= 1
    }
    let low = try parseClassCharacter()
    guard next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
      part.ranges.append(low.value...low.value)
      return
    }
    at += 1
    if next == "[" { throw error("a range cannot end at a class") }
    if next == "\\" {
      let mark = at
      at += 1
      guard try parseClassEscape() == nil else { throw error("a range cannot end at a class") }
      at = mark
    }
    let high = try parseClassCharacter()
    guard low <= high else { throw error("the range \(low)-\(high) is empty") }
    part.ranges.append(low.value...high.value)
  }

  private mutating func parseClassCharacter() throws(PatternError) -> Unicode.Scalar {
    guard let scalar = next else { throw error("a class is not closed") }
    at += 1
    guard scalar == "\\" else { return scalar }
    if take("b") { return "\u{8}" }
    return try parseCharacterEscape()
  }

  /// `[:name:]` or `[:^name:]`; nil, not moving, when '[' opens a nested class.
  private mutating func parsePOSIXClass() throws(PatternError) -> CharacterClass? {
    let start = at
    guard take("[:") else { return nil }
    let isNegated = take("^")
    var name = ""
    while let scalar = next, scalar.isASCII, scalar.properties.isAlphabetic {
      name.unicodeScalars.append(scalar)
      at += 1
    }
    guard take(":]") else {
      at = start
      return nil
    }
    switch name {
    case "alpha": return CharacterClass(UnicodeClasses.alphabetic, isNegated: isNegated)
    case "upper": return CharacterClass(UnicodeClasses.uppercase, isNegated: isNegated)
    case "lower": return CharacterClass(UnicodeClasses.lowercase, isNegated: isNegated)
    case "space": return CharacterClass(UnicodeClasses.whitespace, isNegated: isNegated)
    case "digit": return CharacterClass(categories: ["Nd"], isNegated: isNegated)
    case "punct": return CharacterClass(categories: ["P", "S"], isNegated: isNegated)
    case "cntrl": return CharacterClass(categories: ["Cc"], isNegated: isNegated)
    case "alnum":
      return CharacterClass(UnicodeClasses.alphabetic.union(UnicodeClasses.category("Nd")), isNegated: isNegated)
    case "word":
      var word = CharacterClass.word(isBracketed: true)
      word.isNegated = isNegated
      return word
    case "xdigit": return CharacterClass(ScalarSet(hexadecimal: "30-39 41-46 61-66"), isNegated: isNegated)
    default: throw error("the class [:\(name):] is not supported")
    }
  }
}
