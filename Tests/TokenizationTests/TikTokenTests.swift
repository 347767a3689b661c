import Foundation
import JSON
import Testing
import Tokenization

/// `tiktoken.model` as Kimi publishes it, held to what the `tiktoken` library answered
/// (`Tests/Reference/make_tiktoken_cases.py`).
struct TikTokenTests {
  private static let folder = "\(Fixtures.folder)/tokenizers/tiktoken"
  private static let read = Result<Tokenizer, any Error> { try Tokenizer(folder: folder) }

  private func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)")))
  }
  private func config() throws -> JSONValue { try JSONValue(parsing: try file("tokenizer_config.json")) }

  @Test func everyCaseGivesTheReferencesAnswer() throws {
    let tokenizer = try Self.read.get()
    let cases = try Fixtures.lines("tokenizers/tiktoken/cases.jsonl")
    #expect(cases.count > 700)
    for entry in cases {
      let ids = try #require(entry["ids"]?.ints)
      if let text = entry["text"]?.string {
        #expect(try tokenizer.encode(text, addSpecialTokens: true) == ids, "\(entry.text())")
        #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), text), "\(entry.text())")
      } else {
        let decoded = try #require(entry["decoded"]?.string)
        #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), decoded), "\(entry.text())")
      }
    }
  }

  @Test func specialTokensAreNamedByTheConfigurationOrAfterThemselves() throws {
    let tokenizer = try Self.read.get()
    #expect(tokenizer.vocabularySize == 640 + 256)
    #expect(tokenizer.id(of: "[BOS]") == 640 && tokenizer.id(of: "<|im_end|>") == 642)
    #expect(tokenizer.token(700) == "<|reserved_token_700|>" && tokenizer.isSpecial(700))
    #expect(tokenizer.token(657) == "<think>" && !tokenizer.isSpecial(657))
    #expect(tokenizer.bosToken == "[BOS]" && tokenizer.eosToken == "[EOS]")
    #expect(try tokenizer.decode([640, 657], skipSpecialTokens: true) == "<think>")
    #expect(tokenizer.tokenBytes(642) == Array("<|im_end|>".utf8))
  }

  @Test func aTokenizerDocumentGoesBeforeIt() throws {
    let (model, settings) = (try file("tiktoken.model"), try file("tokenizer_config.json"))
    let json = [UInt8](SmallTokenizer.json(vocab: ["a"]).text().utf8)
    let both = try Tokenizer(path: "") { (name, _) throws(TokenizerError) in
      ["tiktoken.model": model, "tokenizer_config.json": settings, "tokenizer.json": json][name]
    }
    #expect(both.vocabularySize == 1)
  }

  static let lines: [(text: String, words: String)] = [
    ("IQ==", "line 1"), ("IQ== ", "line 1"), ("IQ== x", "rank"), ("IQ== -1", "rank"),
    ("IQ== 99999999999999999999", "rank"),
    ("IQ== 4194304", "rank"), ("IQ== 0\nIg== 0", "line 2"), ("IQ== 0\nIQ== 1", "line 2"), ("IQ 0", "Base64"),
    ("I=== 0", "Base64"), ("=Q== 0", "Base64"), ("I*== 0", "Base64"), (" 0", "Base64"), ("IQ==  0", "rank"),
    ("IQ==\t0", "Base64"), ("IQ== 0 1", "rank"), (String(repeating: "QUFB", count: 400) + " 0", "1200 bytes"),
    ("", "byte 0"), ("\n\n", "byte 0"), ("IQ== 0\n", "byte 0"),
  ]

  @Test(arguments: lines) func aDamagedFileIsRefusedByItsLine(text: String, words: String) throws {
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer(tiktoken: Array(text.utf8), config: try config())
    }
    let message = "\(try #require(error))"
    #expect(message.contains("tiktoken.model") && message.contains(words), "\(message)")
  }

  @Test func linesMayEndAsOnOtherSystems() throws {
    let text = String(decoding: try file("tiktoken.model"), as: UTF8.self)
    let other = try Tokenizer(
      tiktoken: Array((text.replacing("\n", with: "\r\n") + "\r\n").utf8), config: try config())
    #expect(
      try other.encode("the experts", addSpecialTokens: false)
        == Self.read.get().encode("the experts", addSpecialTokens: false))
  }

  @Test func whoseItIsMustBeSaid() throws {
    let model = try file("tiktoken.model")
    for settings: JSONValue? in [
      nil, [:], ["tokenizer_class": "QWenTokenizer"], ["auto_map": ["AutoTokenizer": [.null, "x"]]],
    ] {
      let error = #expect(throws: TokenizerError.self) { try Tokenizer(tiktoken: model, config: settings) }
      #expect("\(try #require(error))".contains("tokenizer_class"))
    }
    _ = try Tokenizer(
      tiktoken: model, config: ["auto_map": ["AutoTokenizer": ["tokenization_kimi.TikTokenTokenizer", .null]]])
  }

  static let decoders: [(value: JSONValue, words: String)] = [
    (3, "added_tokens_decoder"), (["x": ["content": "a"]], "added_tokens_decoder"),
    (["-1": ["content": "a"]], "added_tokens_decoder"), (["0640": ["content": "a"]], "added_tokens_decoder"),
    (["640": 3], "content"), (["640": ["content": 1]], "content"),
    (["640": ["content": "a", "special": 1]], "special"),
    (["99999999": ["content": "q"]], "added_tokens_decoder"), (["5": ["content": "<|x|>"]], "share the id 5"),
    (["640": ["content": "<|reserved_token_641|>"]], "listed already"),
  ]

  @Test(arguments: decoders) func namesThatDoNotGoWithTheVocabularyAreRefused(value: JSONValue, words: String) throws {
    let model = try file("tiktoken.model")
    var settings = try #require(try config().object)
    settings["added_tokens_decoder"] = value
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(tiktoken: model, config: .object(settings)) }
    let message = "\(try #require(error))"
    #expect(message.contains(words), "\(message)")
  }
}
