import Foundation
import JSON
import StructuredOutput
import Testing
import Tokenization

/// Vocabularies to constrain; each is built once.
enum Vocabularies {
  static let end: Int32 = 256

  /// One token a byte, and one that ends the output.
  static let bytes = TokenVocabulary(tokens: (0..<256).map { [UInt8($0)] } + [nil], special: [], endTokens: [end])

  /// The bytes, the end, and pieces of JSON and text that cross the borders of what a grammar tells apart.
  static let pieces: (tokens: [[UInt8]?], vocabulary: TokenVocabulary) = {
    let texts = [
      "{\"", "\":", "\": ", "\", \"", "\",\"", "\"}", "\"]", "}}", "]}", "},", "}, {", "[[", "[]", "{}", "[{", "[\"",
      ", ", ",\n",
      "\n  ", "\n    ", "{\n", "\n}", "  ", "    ", "        ", "true", "false", "null", "tr", "ue", "00", "12", "123",
      "2024",
      "-0", "-1", "0.", ".5", "1e", "e+", "E-", "10", "99", "999", "the", " the", "name", "\"name", "\"name\": ", "ab",
      "aa", "é", "日本",
      "\u{1F600}", "\\u", "\\n", "\\\"", "\\\\", "\\u00", "d83d", "\\ud83d\\ude00", "kind", "\"kind\":\"", "a\":", ":1",
      "1,", "1]", "@", ".com",
      "T10:", "-01-", ":00Z",
    ]
    var tokens: [[UInt8]?] = (0..<256).map { [UInt8($0)] } + [nil]
    tokens += texts.map { Array($0.utf8) }
    // The first two bytes of a character of three, and a byte that begins one after a quote.
    tokens += [[0xE6, 0x97], [0x22, 0xE6], [0x97, 0xA5, 0x22]]
    return (tokens, TokenVocabulary(tokens: tokens, special: [], endTokens: [end]))
  }()

  struct Published {
    var tokens: [[UInt8]?]
    var vocabulary: TokenVocabulary
    var tokenizer: Tokenizer
    var endToken: Int32
  }

  static let deepseek = Result<Published, any Error> {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/tokenizers/deepseek_v3").path
    let tokenizer = try Tokenizer(folder: folder)
    let ids = 0..<tokenizer.vocabularySize
    let end = Int32(tokenizer.id(of: tokenizer.eosToken ?? "") ?? 0)
    let tokens = ids.map { tokenizer.tokenBytes($0) }
    return Published(
      tokens: tokens,
      vocabulary: TokenVocabulary(
        tokens: tokens, special: Set(ids.filter { tokenizer.isSpecial($0) }.map { Int32($0) }), endTokens: [end]),
      tokenizer: tokenizer, endToken: end)
  }
}

/// A grammar tried byte by byte.
struct Trial {
  let grammar: CompiledGrammar

  init(_ grammar: OutputGrammar) throws { self.grammar = try CompiledGrammar(grammar, vocabulary: Vocabularies.bytes) }
  init(schema: String) throws { try self.init(.json(JSONValue(parsing: schema))) }

  /// Whether the whole text is an output. Masks and steps must agree on the way, and no mask may be empty.
  func accepts(_ text: String) -> Bool { accepts(Array(text.utf8)) }

  func accepts(_ bytes: [UInt8]) -> Bool {
    var state = grammar.makeState()
    for byte in bytes {
      let mask = state.allowedTokens()
      if mask.isEmpty || mask.contains(Vocabularies.end) != state.isComplete { return false }
      let isAllowed = mask.contains(Int32(byte))
      if state.advance(Int32(byte)) != isAllowed { fatalError("mask and step disagree about byte \(byte)") }
      if !isAllowed { return false }
    }
    return state.isComplete
  }
}

/// Takes a step, or finds it refused, as expected.
func expectStep(
  _ state: inout GrammarState, _ token: Int32, isAllowed: Bool, sourceLocation: SourceLocation = #_sourceLocation
) {
  let wasAllowed = state.advance(token)
  #expect(wasAllowed == isAllowed, "token \(token)", sourceLocation: sourceLocation)
}

func mask(of state: GrammarState) -> TokenMask {
  var copy = state
  return copy.allowedTokens()
}
