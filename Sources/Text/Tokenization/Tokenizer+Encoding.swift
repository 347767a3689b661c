extension Tokenizer {
  /// The token ids of `text`; with `addSpecialTokens` also those the post-processor puts around it, and the one that
  /// `add_bos_token` puts before it.
  ///
  /// Throws when splitting the text costs too much (a hostile pattern or text), or for a character that needs an
  /// unknown token the vocabulary lacks.
  package func encode(_ text: String, addSpecialTokens: Bool) throws(TokenizerError) -> [Int] {
    var ids: [Int] = []
    let bytes = Array(text.utf8)
    let matching = MatchScratch(byteCount: bytes.count)
    let merging = MergeScratch()
    for piece in exactMatcher.pieces(of: bytes) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let range):
        var stretch = NormalizedText(Array(bytes[range]), startsAtOrigin: range.lowerBound == 0)
        try normalizer?.apply(to: &stretch, scratch: matching)
        for piece in normalizedMatcher.pieces(of: stretch.bytes) {
          switch piece {
          case .token(let id): ids.append(id)
          case .text(let range):
            let part = NormalizedText(
              Array(stretch.bytes[range]), startsAtOrigin: stretch.startsAtOrigin && range.lowerBound == 0)
            try encode(part, matching: matching, merging: merging, into: &ids)
          }
        }
      }
    }
    let processed = postProcessor.apply(to: ids, addSpecialTokens: addSpecialTokens)
    // A text that begins with the token already has it.
    guard addSpecialTokens, let addedStart, processed.first != addedStart else { return processed }
    return [addedStart] + processed
  }

  private func encode(
    _ text: NormalizedText, matching: MatchScratch, merging: MergeScratch, into ids: inout [Int]
  ) throws(TokenizerError) {
    let list = try words(of: text, scratch: matching)
    try list.bytes.withUnsafeBufferPointer { buffer throws(TokenizerError) in
      for word in list.words {
        try model.encode(
          UnsafeBufferPointer(rebasing: buffer[word.range]), isByteLevel: endsInByteLetters, scratch: merging,
          into: &ids)
      }
    }
  }

  private func words(of text: NormalizedText, scratch: MatchScratch) throws(TokenizerError) -> WordList {
    var words = WordList(text)
    for step in preTokenizers { try step.apply(to: &words, scratch: scratch) }
    return words
  }

  /// The words the pre-tokenizer makes of `text`, in byte letters when it ends in them; no normalising, no added
  /// tokens.
  package func pieces(_ text: String) throws(TokenizerError) -> [String] {
    let bytes = Array(text.utf8)
    let list = try words(of: NormalizedText(bytes, startsAtOrigin: true), scratch: MatchScratch(byteCount: bytes.count))
    return list.words.map { word in
      let bytes = list.bytes[word.range]
      return String(decoding: endsInByteLetters ? ByteLevelAlphabet.letters(of: bytes) : Array(bytes), as: UTF8.self)
    }
  }
}
