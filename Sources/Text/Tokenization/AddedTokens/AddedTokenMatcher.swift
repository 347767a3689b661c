/// Finds added tokens in text: at the leftmost place the longest, then on from its end.
struct AddedTokenMatcher: Sendable {
  enum Piece: Equatable {
    case text(Range<Int>)
    case token(id: Int)
  }

  private let tokens: [AddedToken]
  /// A trie of the tokens' bytes: node << 8 | byte → node; node 0 is the root.
  private var edges: [UInt64: Int32] = [:]
  /// The token that ends at a node, or -1.
  private var ends: [Int32] = [-1]
  private var isFirstByte = [Bool](repeating: false, count: 256)

  init(_ tokens: [AddedToken]) throws(TokenizerError) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() {
      guard let first = token.form.first else { continue }
      isFirstByte[Int(first)] = true
      var node = 0
      for byte in token.form {
        let key = UInt64(node) << 8 | UInt64(byte)
        if let child = edges[key] {
          node = Int(child)
        } else {
          edges[key] = Int32(ends.count)
          node = ends.count
          ends.append(-1)
        }
      }
      guard ends[node] < 0 else {
        throw .addedTokenConflict(
          token: token.content, id: token.id,
          reason: "is the same text, once normalised, as the one with id \(tokens[Int(ends[node])].id)")
      }
      ends[node] = Int32(index)
    }
  }

  /// `text` (UTF-8) cut into added tokens and what is between them.
  func pieces(of text: [UInt8]) -> [Piece] {
    guard !text.isEmpty else { return [] }
    guard !tokens.isEmpty else { return [.text(0..<text.count)] }
    var pieces: [Piece] = []
    var covered = 0
    var position = 0
    while position < text.count {
      guard isFirstByte[Int(text[position])], let (index, end) = longestMatch(in: text, at: position) else {
        position += 1
        continue
      }
      let start = position
      position = end
      let token = tokens[index]
      if token.isSingleWord, isWord(before: start, in: text) || isWord(after: end, in: text) { continue }
      var from = start
      var to = end
      if token.stripsLeft { from = max(whitespaceStart(before: start, in: text), covered) }
      if token.stripsRight { to = whitespaceEnd(after: end, in: text) }
      if covered < from { pieces.append(.text(covered..<from)) }
      // The whitespace an earlier token took along is nobody else's: nothing may be left of this one.
      if from < to { pieces.append(.token(id: token.id)) }
      covered = to
    }
    if covered < text.count { pieces.append(.text(covered..<text.count)) }
    return pieces
  }

  private func longestMatch(in text: [UInt8], at start: Int) -> (index: Int, end: Int)? {
    var node = 0
    var position = start
    var best: (index: Int, end: Int)?
    while position < text.count, let child = edges[UInt64(node) << 8 | UInt64(text[position])] {
      node = Int(child)
      position += 1
      if ends[node] >= 0 { best = (Int(ends[node]), position) }
    }
    return best
  }

  private func isWord(before position: Int, in text: [UInt8]) -> Bool {
    guard position > 0 else { return false }
    return UnicodeClasses.tokenWord.contains(scalar(before: position, in: text).value)
  }

  private func isWord(after position: Int, in text: [UInt8]) -> Bool {
    guard position < text.count else { return false }
    var end = position
    return UnicodeClasses.tokenWord.contains(text.withUnsafeBufferPointer { UTF8Text.scalarValue($0, &end) })
  }

  private func whitespaceStart(before position: Int, in text: [UInt8]) -> Int {
    var start = position
    while start > 0 {
      let (value, from) = scalar(before: start, in: text)
      guard UnicodeClasses.whitespace.contains(value) else { break }
      start = from
    }
    return start
  }

  private func whitespaceEnd(after position: Int, in text: [UInt8]) -> Int {
    var end = position
    while end < text.count {
      var next = end
      let value = text.withUnsafeBufferPointer { UTF8Text.scalarValue($0, &next) }
      guard UnicodeClasses.whitespace.contains(value) else { break }
      end = next
    }
    return end
  }

  private func scalar(before position: Int, in text: [UInt8]) -> (value: UInt32, start: Int) {
    var start = position - 1
    while text[start] & 0xC0 == 0x80 { start -= 1 }
    var end = start
    return (text.withUnsafeBufferPointer { UTF8Text.scalarValue($0, &end) }, start)
  }
}
