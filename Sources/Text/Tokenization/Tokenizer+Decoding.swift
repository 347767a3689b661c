extension Tokenizer {
  /// The text of `ids`; broken UTF-8 becomes U+FFFD as the reference has it. Throws for an id without a token.
  package func decode(_ ids: [Int], skipSpecialTokens: Bool) throws(TokenizerError) -> String {
    var decoder = makeStreamingDecoder(skipSpecialTokens: skipSpecialTokens)
    var text = ""
    for id in ids { text += try decoder.push(id) }
    return text + (try decoder.finish())
  }

  package func makeStreamingDecoder(skipSpecialTokens: Bool) -> StreamingDecoder {
    StreamingDecoder(self, skipsSpecialTokens: skipSpecialTokens)
  }

  /// The bytes a token stands for in the middle of a text: behind byte letters, a byte token or "▁"; those of an
  /// added token are its text's. nil for an id without a token.
  package func tokenBytes(_ id: Int) -> [UInt8]? {
    if let added = addedTokens[id] { return Array(added.content.utf8) }
    guard var bytes = model.tokens.bytes(of: id).map(Array.init) else { return nil }
    for decoder in decoders {
      switch decoder {
      case .byteLevel: return ByteLevelAlphabet.bytes(ofToken: bytes)
      case .byteFallback: if let byte = BPEModel.byteValue(bytes, allowsLowercase: true) { return [byte] }
      case .replace(let pattern, let content):
        let count = bytes.count
        bytes = (try? pattern.replacing(bytes, with: content, scratch: MatchScratch(byteCount: count))) ?? bytes
      case .metaspace(let replacement, _):
        let spaced = try? TextPattern.literal(replacement).replacing(
          bytes, with: [0x20], scratch: MatchScratch(byteCount: 0))
        bytes = spaced ?? bytes
      case .fuse, .spaced: break
      // At a text's ends only: after Fuse. Before it, each token is stripped; nobody publishes such a decoder.
      case .strip: break
      }
    }
    return bytes
  }
}
