extension TemplateLexer {
  /// Scans an expression or statement up to its end marker, which counts only outside brackets.
  mutating func scanCode(endsBlock: Bool) throws(ChatTemplateError) {
    var brackets: [TemplateToken.Operator] = []
    while at < source.count {
      if brackets.isEmpty, let end = endsBlock ? blockEnd(at: at) : variableEnd(at: at) {
        emit(endsBlock ? .blockEnd : .variableEnd)
        advance(to: end)
        return
      }
      let scalar = source[at]
      if scalar.isPythonSpace {
        advance(to: whitespaceEnd(from: at))
      } else if scalar.isASCIIDigit {
        try scanNumber()
      } else if scalar == "_" || scalar.properties.isXIDContinue {
        try scanName()
      } else if scalar == "'" || scalar == "\"" {
        try scanString(quote: scalar)
      } else {
        try scanOperator(&brackets)
      }
    }
  }

  private mutating func scanName() throws(ChatTemplateError) {
    guard source[at] == "_" || source[at].properties.isXIDStart else {
      throw .syntax("a name cannot start with '\(source[at])'", line: line)
    }
    var name = String.UnicodeScalarView()
    while let scalar = peek(), scalar == "_" || scalar.properties.isXIDContinue {
      name.append(scalar)
      at += 1
    }
    emit(.name(String(name)))
  }

  private mutating func scanOperator(_ brackets: inout [TemplateToken.Operator]) throws(ChatTemplateError) {
    let first = String(source[at])
    let pair = peek(1).flatMap { TemplateToken.Operator(rawValue: first + String($0)) }
    guard let op = pair ?? TemplateToken.Operator(rawValue: first) else {
      throw .syntax("unexpected character '\(source[at])'", line: line)
    }
    switch op {
    case .leftBracket: brackets.append(.rightBracket)
    case .leftParenthesis: brackets.append(.rightParenthesis)
    case .leftBrace: brackets.append(.rightBrace)
    case .rightBracket, .rightParenthesis, .rightBrace:
      guard let expected = brackets.popLast() else { throw .syntax("unexpected '\(op.rawValue)'", line: line) }
      guard expected == op else {
        throw .syntax("unexpected '\(op.rawValue)' where '\(expected.rawValue)' should be", line: line)
      }
    default: break
    }
    emit(.op(op))
    at += op.rawValue.utf8.count
  }

  // MARK: Numbers

  /// Digits of `radix` from `position`, single underscores allowed between them (and first, after a prefix).
  private func digitsEnd(from position: Int, radix: UInt32, leadingUnderscore: Bool = false) -> Int {
    var i = position
    var last = position
    while i < source.count {
      if source[i] == "_", i > position || leadingUnderscore, i == last {
        i += 1
      } else if let digit = source[i].hexDigitValue, digit < radix {
        i += 1
        last = i
      } else {
        break
      }
    }
    return last
  }

  private mutating func scanNumber() throws(ChatTemplateError) {
    let start = at
    let whole = digitsEnd(from: start, radix: 10)
    var end = whole
    if start == 0 || source[start - 1] != "." {
      var fractionEnd = whole
      if whole + 1 < source.count, source[whole] == ".", source[whole + 1].isASCIIDigit {
        fractionEnd = digitsEnd(from: whole + 1, radix: 10)
        end = fractionEnd
      }
      if fractionEnd < source.count, source[fractionEnd] == "e" || source[fractionEnd] == "E" {
        var exponent = fractionEnd + 1
        if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
        if exponent < source.count, source[exponent].isASCIIDigit { end = digitsEnd(from: exponent, radix: 10) }
      }
    }
    if end > whole {
      let text = spelling(start..<end)
      guard let value = Double(text) else { throw .syntax("'\(text)' is not a number", line: line) }
      emit(.float(value))
      at = end
      return
    }
    try scanInteger(from: start, decimalEnd: whole)
  }

  private mutating func scanInteger(from start: Int, decimalEnd: Int) throws(ChatTemplateError) {
    var digits = start
    var end = decimalEnd
    var radix: UInt32 = 10
    if source[start] == "0" {
      let prefix = peek(1).map { String($0).lowercased() }
      let marked: UInt32? = prefix == "x" ? 16 : prefix == "o" ? 8 : prefix == "b" ? 2 : nil
      let markedEnd = marked.map { digitsEnd(from: start + 2, radix: $0, leadingUnderscore: true) } ?? start
      if let marked, markedEnd > start + 2 {
        (digits, end, radix) = (start + 2, markedEnd, marked)
      } else {
        // A decimal zero is only ever followed by more zeros; other digits are a token of their own.
        end = start + 1
        while end < decimalEnd, source[end] == "0" { end += 1 }
      }
    }
    let text = spelling(digits..<end)
    guard let value = Int(text, radix: Int(radix)) else {
      throw .syntax("the integer \(text) does not fit in 64 bits", line: line)
    }
    emit(.integer(value))
    at = end
  }

  private func spelling(_ range: Range<Int>) -> String {
    var text = String.UnicodeScalarView()
    for scalar in source[range] where scalar != "_" { text.append(scalar) }
    return String(text)
  }

  // MARK: Strings

  private mutating func scanString(quote: Unicode.Scalar) throws(ChatTemplateError) {
    let startLine = line
    var i = at + 1
    var text = String.UnicodeScalarView()
    while i < source.count, source[i] != quote {
      if source[i] == "\\" {
        i = try scanEscape(at: i + 1, into: &text)
      } else {
        text.append(source[i])
        i += 1
      }
    }
    guard i < source.count else { throw .syntax("a string has no end", line: startLine) }
    emit(.string(String(text)))
    advance(to: i + 1)
  }

  /// Reads a Python escape whose backslash stands before `position`; returns the position after it.
  private func scanEscape(
    at position: Int, into text: inout String.UnicodeScalarView
  ) throws(ChatTemplateError) -> Int {
    guard position < source.count else { throw .syntax("a string has no end", line: line) }
    let scalar = source[position]
    switch scalar {
    case "\n": break
    case "\\", "'", "\"": text.append(scalar)
    case "n": text.append("\n")
    case "r": text.append("\r")
    case "t": text.append("\t")
    case "a": text.append("\u{07}")
    case "b": text.append("\u{08}")
    case "f": text.append("\u{0C}")
    case "v": text.append("\u{0B}")
    case "x": return try scanHexEscape(at: position + 1, digitCount: 2, into: &text)
    case "u": return try scanHexEscape(at: position + 1, digitCount: 4, into: &text)
    case "U": return try scanHexEscape(at: position + 1, digitCount: 8, into: &text)
    case "N": throw .unsupported("an escape that names a character (\\N)", line: line)
    case "0"..."7":
      var value: UInt32 = 0
      var i = position
      while i < source.count, i < position + 3, ("0"..."7").contains(source[i]) {
        value = value * 8 + source[i].value - 48
        i += 1
      }
      text.append(Unicode.Scalar(value) ?? "\u{FFFD}")
      return i
    default:
      text.append("\\")
      text.append(scalar)
    }
    return position + 1
  }

  private func scanHexEscape(
    at position: Int, digitCount: Int, into text: inout String.UnicodeScalarView
  ) throws(ChatTemplateError) -> Int {
    var value: UInt32 = 0
    for i in position..<position + digitCount {
      guard i < source.count, let digit = source[i].hexDigitValue, value < 1 << 28 else {
        throw .syntax("a hexadecimal escape needs \(digitCount) digits", line: line)
      }
      value = value << 4 | digit
    }
    guard let scalar = Unicode.Scalar(value) else { throw .syntax("an escape names no Unicode scalar", line: line) }
    text.append(scalar)
    return position + digitCount
  }
}
