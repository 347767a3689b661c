/// Cuts a template into tokens, applying whitespace control with `trim_blocks` and `lstrip_blocks` on.
///
/// The rules are those of Jinja's lexer: the first newline after a block or comment goes, spaces before one at
/// the start of a line go, `-` strips all whitespace on its side, `+` turns both rules off, and one newline at
/// the very end of the template goes.
struct TemplateLexer {
  let source: [Unicode.Scalar]
  var at = 0
  var line = 1
  var tokens: [TemplateToken] = []
  /// Whether the last match ended a line, so that spaces here stand at a line's start.
  private var lineStarting = true

  init(_ text: String) {
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      if scalar == "\n", scalars.last == "\r" {
        scalars[scalars.count - 1] = "\n"
        continue
      }
      if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
      scalars.append(scalar)
    }
    if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  static func tokens(of text: String) throws(ChatTemplateError) -> [TemplateToken] {
    var lexer = TemplateLexer(text)
    try lexer.scanRoot()
    lexer.emit(.end)
    return lexer.tokens
  }

  mutating func emit(_ kind: TemplateToken.Kind) { tokens.append(TemplateToken(kind: kind, line: line)) }

  func peek(_ offset: Int = 0) -> Unicode.Scalar? { at + offset < source.count ? source[at + offset] : nil }

  func matches(_ text: StaticString, at position: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard position + count <= source.count else { return false }
    for i in 0..<count where unsafe source[position + i].value != UInt32(text.utf8Start[i]) { return false }
    return true
  }

  /// Moves to `position`, counting the lines passed over.
  mutating func advance(to position: Int) {
    for i in at..<position where source[i] == "\n" { line += 1 }
    lineStarting = position > at && source[position - 1] == "\n"
    at = position
  }

  func whitespaceEnd(from position: Int) -> Int {
    var end = position
    while end < source.count, source[end].isPythonSpace { end += 1 }
    return end
  }

  private mutating func scanRoot() throws(ChatTemplateError) {
    while at < source.count {
      guard let tag = nextTag(from: at) else {
        emitData(at..<source.count)
        return
      }
      let sign = tag + 2 < source.count ? source[tag + 2] : nil
      let hasSign = sign == "-" || sign == "+"
      let isVariable = matches("{{", at: tag)
      emitText(upTo: tag, sign: hasSign ? sign : nil, stripsIndent: !isVariable)
      if let body = rawBodyStart(tag: tag) {
        advance(to: body)
        try scanRaw()
        continue
      }
      advance(to: tag + (hasSign ? 3 : 2))
      if isVariable {
        emit(.variableBegin)
        try scanCode(endsBlock: false)
      } else if matches("{%", at: tag) {
        emit(.blockBegin)
        try scanCode(endsBlock: true)
      } else {
        try skipComment()
      }
    }
  }

  private func nextTag(from start: Int) -> Int? {
    var i = start
    while i + 1 < source.count {
      if source[i] == "{", source[i + 1] == "{" || source[i + 1] == "%" || source[i + 1] == "#" { return i }
      i += 1
    }
    return nil
  }

  /// Emits the text before a tag at `tag`, stripped as the tag asks, and moves to the tag.
  private mutating func emitText(upTo tag: Int, sign: Unicode.Scalar?, stripsIndent: Bool) {
    var end = tag
    if sign == "-" {
      while end > at, source[end - 1].isPythonSpace { end -= 1 }
    } else if sign != "+", stripsIndent {
      var lineStart = tag
      while lineStart > at, source[lineStart - 1] != "\n" { lineStart -= 1 }
      if lineStart > at || lineStarting, source[lineStart..<tag].allSatisfy(\.isPythonSpace) { end = lineStart }
    }
    if end > at { emitData(at..<end) }
    advance(to: tag)
  }

  private mutating func emitData(_ range: Range<Int>) {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[range])
    emit(.data(String(text)))
  }

  private mutating func skipComment() throws(ChatTemplateError) {
    var i = at
    while i < source.count {
      if matches("+#}", at: i) { return advance(to: i + 3) }
      if matches("-#}", at: i) { return advance(to: whitespaceEnd(from: i + 3)) }
      if matches("#}", at: i) { return advance(to: afterNewline(i + 2)) }
      i += 1
    }
    throw .syntax("a comment has no end", line: line)
  }

  /// The position after one newline at `position`, if there is one: `trim_blocks`.
  func afterNewline(_ position: Int) -> Int {
    position < source.count && source[position] == "\n" ? position + 1 : position
  }

  /// Where the body starts of a `raw` block that opens at `tag`; nil for any other tag.
  private func rawBodyStart(tag: Int) -> Int? {
    guard matches("{%", at: tag) else { return nil }
    var i = tag + 2
    if i < source.count, source[i] == "-" || source[i] == "+" { i += 1 }
    i = whitespaceEnd(from: i)
    guard matches("raw", at: i) else { return nil }
    i = whitespaceEnd(from: i + 3)
    if matches("-%}", at: i) { return whitespaceEnd(from: i + 3) }
    return matches("%}", at: i) ? i + 2 : nil
  }

  private mutating func scanRaw() throws(ChatTemplateError) {
    // Jinja lets a raw block stand open when nothing at all follows it.
    if at == source.count { return }
    var i = at
    while i < source.count {
      if matches("{%", at: i) {
        var j = i + 2
        let sign = j < source.count && (source[j] == "-" || source[j] == "+") ? source[j] : nil
        if sign != nil { j += 1 }
        j = whitespaceEnd(from: j)
        if matches("endraw", at: j), let end = blockEnd(at: whitespaceEnd(from: j + 6)) {
          emitText(upTo: i, sign: sign, stripsIndent: true)
          advance(to: end)
          return
        }
      }
      i += 1
    }
    throw .syntax("a raw block has no end", line: line)
  }

  /// Where the template goes on after a block's end marker at `position`; nil when none is there.
  func blockEnd(at position: Int) -> Int? {
    if matches("+%}", at: position) { return position + 3 }
    if matches("-%}", at: position) { return whitespaceEnd(from: position + 3) }
    return matches("%}", at: position) ? afterNewline(position + 2) : nil
  }

  /// Where the template goes on after a variable's end marker at `position`; nil when none is there.
  func variableEnd(at position: Int) -> Int? {
    if matches("-}}", at: position) { return whitespaceEnd(from: position + 3) }
    return matches("}}", at: position) ? position + 2 : nil
  }
}
