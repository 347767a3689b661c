/// Python's views of text: code points, its whitespace, its case mappings.

extension Unicode.Scalar {
  /// `str.isspace`, which is also what `\s` and a bare `strip()` mean.
  var isPythonSpace: Bool {
    switch value {
    case 9...13, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// What `str.splitlines` splits at.
  var isPythonLineBreak: Bool {
    switch value {
    case 10...13, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Whether `repr` shows this scalar as it is.
  var isPythonPrintable: Bool {
    if value < 0x7F { return value >= 0x20 }
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
      .spaceSeparator:
      return false
    default: return true
    }
  }

  var isASCIIDigit: Bool { value >= 48 && value <= 57 }

  var hexDigitValue: UInt32? {
    switch value {
    case 48...57: value - 48
    case 65...70: value - 55
    case 97...102: value - 87
    default: nil
    }
  }
}

extension String {
  init(scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self = String(view)
  }

  /// Whether both have the same code points, whatever they are canonically equivalent to.
  func hasSameScalars(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// Code-point order, which is the order of UTF-8 bytes.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

  func pythonUppercased() -> String {
    var out = ""
    for scalar in unicodeScalars { out += scalar.properties.uppercaseMapping }
    return out
  }

  func pythonLowercased() -> String {
    let scalars = Array(unicodeScalars)
    var out = ""
    for i in scalars.indices { out += Self.lowercase(scalars, i) }
    return out
  }

  /// `str.title`: the first cased scalar of every run of cased ones in title case, the rest in lower case.
  func pythonTitlecased() -> String {
    let scalars = Array(unicodeScalars)
    var out = ""
    var inWord = false
    for i in scalars.indices {
      out += inWord ? Self.lowercase(scalars, i) : scalars[i].properties.titlecaseMapping
      inWord = scalars[i].properties.isCased
    }
    return out
  }

  func pythonCapitalized() -> String {
    let scalars = Array(unicodeScalars)
    guard let first = scalars.first else { return "" }
    var out = first.properties.titlecaseMapping
    for i in scalars.indices.dropFirst() { out += Self.lowercase(scalars, i) }
    return out
  }

  /// The lower case of one scalar; a capital sigma that ends a word has its own.
  private static func lowercase(_ scalars: [Unicode.Scalar], _ i: Int) -> String {
    guard scalars[i] == "\u{3A3}" else { return scalars[i].properties.lowercaseMapping }
    var before = i - 1
    while before >= 0, scalars[before].properties.isCaseIgnorable { before -= 1 }
    var after = i + 1
    while after < scalars.count, scalars[after].properties.isCaseIgnorable { after += 1 }
    let isFinal =
      before >= 0 && scalars[before].properties.isCased
      && !(after < scalars.count && scalars[after].properties.isCased)
    return isFinal ? "\u{3C2}" : "\u{3C3}"
  }

  /// `str.strip` and its one-sided forms; `characters` nil strips whitespace.
  func pythonStripped(_ characters: String?, left: Bool = true, right: Bool = true) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func strips(_ scalar: Unicode.Scalar) -> Bool { set.map { $0.contains(scalar) } ?? scalar.isPythonSpace }
    var view = Substring(self).unicodeScalars
    if left { view = view.drop(while: strips) }
    if right { while let last = view.last, strips(last) { view.removeLast() } }
    return String(Substring(view))
  }

  /// `str.splitlines`.
  func pythonLines(keepingEnds: Bool) -> [String] {
    var lines: [String] = []
    var current = String.UnicodeScalarView()
    var pendingReturn = false
    func flush() {
      lines.append(String(current))
      current = String.UnicodeScalarView()
    }
    for scalar in unicodeScalars {
      if pendingReturn {
        pendingReturn = false
        if scalar == "\n" {
          if keepingEnds { current.append(scalar) }
          flush()
          continue
        }
        flush()
      }
      guard scalar.isPythonLineBreak else {
        current.append(scalar)
        continue
      }
      if keepingEnds { current.append(scalar) }
      if scalar == "\r" { pendingReturn = true } else { flush() }
    }
    if pendingReturn || !current.isEmpty { flush() }
    return lines
  }

  /// `str.split()` without a separator: runs of whitespace separate.
  func pythonWords(maxSplits: Int) -> [String] {
    var words: [String] = []
    var rest = Substring(self).unicodeScalars.drop(while: \.isPythonSpace)
    while !rest.isEmpty {
      if maxSplits >= 0, words.count == maxSplits {
        words.append(String(Substring(rest)))
        return words
      }
      let word = rest.prefix { !$0.isPythonSpace }
      words.append(String(Substring(word)))
      rest = rest[word.endIndex...].drop(while: \.isPythonSpace)
    }
    return words
  }
}
