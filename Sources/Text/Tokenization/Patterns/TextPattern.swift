/// What a split or a replacement looks for: a fixed text or a regular expression.
enum TextPattern: Sendable {
  case literal([UInt8])
  case regex(CompiledPattern)

  /// An empty text matches between all characters, like the empty expression.
  init(literal: String, field: String) throws(TokenizerError) {
    if literal.isEmpty {
      self = .regex(try CompiledPattern(source: "", field: field))
    } else {
      self = .literal(Array(literal.utf8))
    }
  }

  /// Calls `body` with every match in `text` (well-formed UTF-8), from left to right, not overlapping.
  /// Only an expression needs `scratch`.
  func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, scratch: @autoclosure () -> MatchScratch, _ body: (Range<Int>) -> Void
  ) throws(TokenizerError) {
    switch self {
    case .regex(let pattern): try pattern.forEachMatch(in: text, scratch: scratch(), body)
    case .literal(let literal):
      let lead = literal[0]
      var position = 0
      while position + literal.count <= text.count {
        guard text[position] == lead, literal.indices.allSatisfy({ text[position + $0] == literal[$0] }) else {
          position += 1
          continue
        }
        body(position..<position + literal.count)
        position += literal.count
      }
    }
  }

  /// `text` with every match replaced.
  func replacing(
    _ text: [UInt8], with content: [UInt8], scratch: @autoclosure () -> MatchScratch
  ) throws(TokenizerError) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var copied = 0
    let matches = try text.withUnsafeBufferPointer { buffer throws(TokenizerError) -> Bool in
      var found = false
      try forEachMatch(in: buffer, scratch: scratch()) { match in
        found = true
        result.append(contentsOf: buffer[copied..<match.lowerBound])
        result.append(contentsOf: content)
        copied = match.upperBound
      }
      if found { result.append(contentsOf: buffer[copied...]) }
      return found
    }
    return matches ? result : text
  }
}
