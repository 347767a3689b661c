import Foundation
import JSON
import TestSupport
import Testing
import Tokenization

struct StreamingDecoderTests {
  static let fallback = SmallTokenizer.json(
    vocab: ["<unk>", "▁a", "b", "▁"] + (0..<256).map { String(format: "<0x%02X>", $0) },
    decoder: [
      "type": "Sequence",
      "decoders": [
        ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
        ["type": "Strip", "content": " ", "start": 1, "stop": 1],
      ],
    ], model: [("byte_fallback", true)])

  private func parts(_ tokenizer: Tokenizer, _ ids: [Int]) throws -> [String] {
    var decoder = tokenizer.makeStreamingDecoder(skipSpecialTokens: false)
    return try ids.map { try decoder.push($0) } + [try decoder.finish()]
  }

  private func byteLevel() throws -> Tokenizer {
    try Tokenizer(json: SmallTokenizer.json(vocab: SmallTokenizer.letters, decoder: ["type": "ByteLevel"]), config: nil)
  }

  /// The id of a byte's letter: the ids follow the letters' code points.
  private func id(_ byte: UInt8, _ tokenizer: Tokenizer) throws -> Int {
    try #require((0..<tokenizer.vocabularySize).first { tokenizer.tokenBytes($0) == [byte] })
  }

  @Test func aCharacterComesOutOnlyWhole() throws {
    let tokenizer = try byteLevel()
    let ids = try Array("é中😀".utf8).map { try id($0, tokenizer) }
    #expect(try parts(tokenizer, ids) == ["", "é", "", "", "中", "", "", "", "😀", ""])
  }

  @Test func brokenBytesBecomeOneReplacementForEachIllFormedPart() throws {
    let tokenizer = try byteLevel()
    func text(_ bytes: [UInt8]) throws -> [String] { try parts(tokenizer, try bytes.map { try id($0, tokenizer) }) }
    #expect(try text([0xE4, 0xB8, 0x41]) == ["", "", "\u{FFFD}A", ""])
    #expect(try text([0xF0, 0x9F, 0x98]) == ["", "", "", "\u{FFFD}"])
    #expect(try text([0xED, 0xA0, 0x80]) == ["", "\u{FFFD}\u{FFFD}", "\u{FFFD}", ""])
    #expect(try text([0x80, 0xC0, 0xFF]) == ["\u{FFFD}", "\u{FFFD}", "\u{FFFD}", ""])
  }

  @Test func aRunOfByteTokensWaitsForItsEnd() throws {
    let tokenizer = try Tokenizer(json: Self.fallback, config: nil)
    func byte(_ byte: Int) -> Int { 4 + byte }
    #expect(try parts(tokenizer, [byte(0xC3), byte(0xA9), 2]) == ["", "", "éb", ""])
    let broken = [byte(0xC3), byte(0xA9), byte(0xFF), 2]
    #expect(try parts(tokenizer, broken) == ["", "", "", "\u{FFFD}\u{FFFD}\u{FFFD}b", ""])
  }

  @Test func spacesAtTheEndsAreStrippedInTheStreamToo() throws {
    let tokenizer = try Tokenizer(json: Self.fallback, config: nil)
    #expect(try parts(tokenizer, [1, 1, 3, 2, 3, 3]) == ["a", " a", "", " b", "", " ", ""])
    #expect(try parts(tokenizer, []) == [""])
  }

  @Test func randomIDsStreamToWhatTheyDecodeTo() throws {
    var generator = SystemRandomNumberGenerator()
    let fallback = try Tokenizer(json: Self.fallback, config: nil)
    for tokenizer in [try Fixtures.deepseekV3.get(), try Fixtures.deepseekV2.get(), fallback, try byteLevel()] {
      for _ in 0..<200 {
        let limit = Bool.random() ? min(300, tokenizer.vocabularySize) : tokenizer.vocabularySize
        let ids = (0..<40).map { _ in Int.random(in: 0..<limit, using: &generator) }
          .filter { tokenizer.token($0) != nil }
        for skips in [false, true] {
          var decoder = tokenizer.makeStreamingDecoder(skipSpecialTokens: skips)
          var streamed = ""
          for id in ids { streamed += try decoder.push(id) }
          streamed += try decoder.finish()
          #expect(sameBytes(streamed, try tokenizer.decode(ids, skipSpecialTokens: skips)), "\(ids)")
        }
      }
    }
  }

  /// Where bytes as letters are all that there is to decode no stages are run: what they would give is the same. Tokens
  /// with other characters, added and special ones among the ids.
  @Test func byteLettersAloneAreDecodedAsAmongOtherStages() throws {
    let vocabulary = SmallTokenizer.letters + ["日", "a日", "ÃŃb"]
    let added = [
      SmallTokenizer.added("<a>", id: vocabulary.count),
      SmallTokenizer.added("<s>", id: vocabulary.count + 1, special: true),
    ]
    func tokenizer(_ decoder: JSONValue) throws -> Tokenizer {
      try Tokenizer(json: SmallTokenizer.json(vocab: vocabulary, added: added, decoder: decoder), config: nil)
    }
    let alone = try tokenizer(["type": "ByteLevel"])
    let staged = try tokenizer(["type": "Sequence", "decoders": [["type": "ByteLevel"], ["type": "Fuse"]]])
    #expect(alone.isSpecial(vocabulary.count + 1) && !alone.isSpecial(vocabulary.count) && !alone.isSpecial(0))
    #expect(!alone.isSpecial(-1) && !alone.isSpecial(alone.vocabularySize))
    var generator = SeededGenerator(9)
    for _ in 0..<500 {
      let ids = (0..<30).map { _ in Int.random(in: 0..<alone.vocabularySize, using: &generator) }
      #expect(try parts(alone, ids) == parts(staged, ids), "\(ids)")
      for skips in [false, true] {
        let text = try alone.decode(ids, skipSpecialTokens: skips)
        #expect(sameBytes(text, try staged.decode(ids, skipSpecialTokens: skips)), "\(ids)")
        let isShown = Array(text.utf8).firstRange(of: Array("<s>".utf8)) != nil
        #expect(isShown == (!skips && ids.contains(vocabulary.count + 1)))
      }
    }
    for id in [-1, alone.vocabularySize] { #expect(throws: TokenizerError.self) { try parts(alone, [id]) } }
  }

  @Test func whatIsOutNeverChanges() throws {
    let tokenizer = try Fixtures.deepseekV3.get()
    let ids = try tokenizer.encode("naïve 😀 👩‍👩‍👧 中文", addSpecialTokens: false)
    var decoder = tokenizer.makeStreamingDecoder(skipSpecialTokens: false)
    var out = ""
    for id in ids {
      out += try decoder.push(id)
      #expect("naïve 😀 👩‍👩‍👧 中文".utf8.starts(with: out.utf8))
    }
  }
}
