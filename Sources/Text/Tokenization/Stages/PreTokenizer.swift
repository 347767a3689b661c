/// A splitting of the text into words, none of whose merges cross a boundary.
indirect enum PreTokenizer: Sendable {
  case sequence([PreTokenizer])
  case split(TextPattern, SplitBehavior, inverted: Bool)
  case characters(ScalarSet, SplitBehavior)
  case metaspace(replacement: [UInt8], PrependScheme, splits: Bool)
  /// Adds a leading space; the split that `use_regex` asks for and the change to letters follow as own steps.
  case prefixSpace
  case byteLetters

  enum PrependScheme: String, Sendable { case always, first, never }

  func apply(to words: inout WordList, scratch: MatchScratch) throws(TokenizerError) {
    switch self {
    case .sequence(let members):
      for member in members { try member.apply(to: &words, scratch: scratch) }
    case .split(let pattern, let behavior, let inverted):
      try words.split(behavior, inverted: inverted) { text, body throws(TokenizerError) in
        try pattern.forEachMatch(in: text, scratch: scratch, body)
      }
    case .characters(let set, let behavior):
      try words.split(behavior, inverted: false) { text, body throws(TokenizerError) in
        var position = 0
        while position < text.count {
          let start = position
          if set.contains(UTF8Text.scalarValue(text, &position)) { body(start..<position) }
        }
      }
    case .metaspace(let replacement, let scheme, let splits):
      words.rewrite { word, startsAtOrigin in
        var result: [UInt8] = []
        result.reserveCapacity(word.count + replacement.count)
        for byte in word {
          if byte == 0x20 { result.append(contentsOf: replacement) } else { result.append(byte) }
        }
        let isPrefixed = scheme == .always || (scheme == .first && startsAtOrigin)
        return isPrefixed && !result.starts(with: replacement) ? replacement + result : result
      }
      if splits {
        try words.split(.mergedWithNext, inverted: false) { text, body throws(TokenizerError) in
          try TextPattern.literal(replacement).forEachMatch(in: text, scratch: scratch, body)
        }
      }
    case .prefixSpace: words.rewrite { word, _ in word.first == 0x20 ? Array(word) : [0x20] + word }
    case .byteLetters: words.rewrite { word, _ in ByteLevelAlphabet.letters(of: word) }
    }
  }
}
