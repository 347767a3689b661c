/// A set of token ids below the vocabulary's size, one bit each: id `i` is bit `i % 64` of word `i / 64`.
package struct TokenMask: Sendable, Equatable {
  package var words: [UInt64]
  /// How many ids there are, set or not.
  package let vocabularySize: Int

  /// No token.
  package init(vocabularySize: Int) {
    self.vocabularySize = vocabularySize
    words = [UInt64](repeating: 0, count: (vocabularySize + 63) / 64)
  }

  /// How many tokens are in the set.
  package var count: Int {
    var count = 0
    for word in words { count += word.nonzeroBitCount }
    return count
  }

  package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Whether the token may come; false for one past the vocabulary.
  package func contains(_ token: Int32) -> Bool {
    guard token >= 0, Int(token) < vocabularySize else { return false }
    return words[Int(token) >> 6] >> UInt64(token & 63) & 1 == 1
  }

  /// Adds a token, which must be below the vocabulary's size.
  package mutating func insert(_ token: Int32) {
    precondition(token >= 0 && Int(token) < vocabularySize)
    words[Int(token) >> 6] |= 1 << UInt64(token & 63)
  }

  /// Adds the tokens of another set of the same size.
  mutating func formUnion(_ other: TokenMask) {
    for i in words.indices { words[i] |= other.words[i] }
  }

  /// The tokens in the set, ascending.
  package var tokens: [Int32] {
    var tokens: [Int32] = []
    for (i, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        tokens.append(Int32(i << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return tokens
  }
}
