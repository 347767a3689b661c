/// Byte-pair encoding as `tokenizer.json` describes it: the vocabulary, the merges and what to do with characters
/// that have no token.
struct BPEModel: Sendable {
  let tokens: TokenTable
  let merges: MergeTable
  /// The token each merge makes, by rank.
  let mergedIDs: [Int32]
  let unknownToken: String?
  let unknownID: Int32?
  let fusesUnknown: Bool
  let ignoresMerges: Bool
  let continuingPrefix: [UInt8]
  let endOfWordSuffix: [UInt8]
  /// The ids of `<0x00>` … `<0xFF>` when characters without a token become bytes; -1 for a missing one.
  let fallbackIDs: [Int32]?
  /// The id of each byte's letter; -1 for a missing one.
  let letterIDs: [Int32]
  /// Every letter has an id and no affix is added: words of bytes need no look-up by text.
  let hasFastLetters: Bool

  /// Appends the tokens of `word`, which is UTF-8, or bytes standing for their letters when `isByteLevel`.
  func encode(
    _ word: UnsafeBufferPointer<UInt8>, isByteLevel: Bool, scratch: MergeScratch, into ids: inout [Int]
  ) throws(TokenizerError) {
    guard !word.isEmpty else { return }
    guard isByteLevel else {
      if ignoresMerges, let id = tokens.id(of: word) { return ids.append(id) }
      return try encodeCharacters(word, scratch: scratch, into: &ids)
    }
    if ignoresMerges || !hasFastLetters {
      let letters = ByteLevelAlphabet.letters(of: word)
      let isDone = try letters.withUnsafeBufferPointer { letters throws(TokenizerError) -> Bool in
        if ignoresMerges, let id = tokens.id(of: letters) {
          ids.append(id)
          return true
        }
        if hasFastLetters { return false }
        try encodeCharacters(letters, scratch: scratch, into: &ids)
        return true
      }
      if isDone { return }
    }
    scratch.symbols.removeAll(keepingCapacity: true)
    for byte in word { scratch.symbols.append(letterIDs[Int(byte)]) }
    scratch.mergeAll(merges, mergedIDs, into: &ids)
  }

  /// Character by character: its token, or its bytes' tokens, or the unknown token, or nothing.
  private func encodeCharacters(
    _ word: UnsafeBufferPointer<UInt8>, scratch: MergeScratch, into ids: inout [Int]
  ) throws(TokenizerError) {
    scratch.symbols.removeAll(keepingCapacity: true)
    var pendingUnknown: Int32?
    let hasAffixes = !continuingPrefix.isEmpty || !endOfWordSuffix.isEmpty
    var position = 0
    while position < word.count {
      let start = position
      _ = UTF8Text.scalarValue(word, &position)
      let character = UnsafeBufferPointer(rebasing: word[start..<position])
      let isLast = position == word.count
      var symbol: Int?
      var spelling: [UInt8]?
      if hasAffixes {
        let affixed = (start > 0 ? continuingPrefix : []) + character + (isLast ? endOfWordSuffix : [])
        symbol = affixed.withUnsafeBufferPointer { tokens.id(of: $0) }
        spelling = affixed
      } else {
        symbol = tokens.id(of: character)
      }
      if let symbol {
        if let unknown = pendingUnknown { scratch.symbols.append(unknown) }
        pendingUnknown = nil
        scratch.symbols.append(Int32(symbol))
        continue
      }
      if let fallbackIDs {
        let bytes = spelling ?? Array(character)
        if bytes.allSatisfy({ fallbackIDs[Int($0)] >= 0 }) {
          // A pending unknown token stays pending and so follows these bytes, as it does in the reference.
          for byte in bytes { scratch.symbols.append(fallbackIDs[Int(byte)]) }
          continue
        }
      }
      guard let unknownToken else { continue }
      guard let unknownID else { throw .unknownTokenMissing(unknownToken) }
      if let pending = pendingUnknown, !fusesUnknown { scratch.symbols.append(pending) }
      pendingUnknown = unknownID
    }
    if let unknown = pendingUnknown { scratch.symbols.append(unknown) }
    scratch.mergeAll(merges, mergedIDs, into: &ids)
  }
}
