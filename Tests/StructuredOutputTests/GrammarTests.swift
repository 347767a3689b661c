import JSON
import StructuredOutput
import Testing

/// Texts, sequences, choices, repeats and special tokens.
@Suite struct GrammarTests {
  @Test func sequencesAndChoicesAreTakenLiterally() throws {
    let trial = try Trial(
      .sequence([.text("<a>"), .choice([.text("x"), .text("xy"), .json(["type": "integer"])]), .text("</a>")]))
    for text in ["<a>x</a>", "<a>xy</a>", "<a>-12</a>"] { #expect(trial.accepts(text)) }
    for text in ["<a></a>", "<a>xyx</a>", "<a>x", "x"] { #expect(!trial.accepts(text)) }
  }

  @Test(
    arguments: [
      (0, nil, ["", "[]", "[];[]", "[];[];[]"], ["[][]", ";", "[];"]), (1, 2, ["[]", "[];[]"], ["", "[];[];[]"]),
      (2, nil, ["[];[]", "[];[];[];[]"], ["[]"]), (0, 0, [""], ["[]"]), (3, 3, ["[];[];[]"], ["[];[]", "[];[];[];[]"]),
    ] as [(Int, Int?, [String], [String])])
  func repeatsAreCounted(atLeast: Int, atMost: Int?, accepted: [String], refused: [String]) throws {
    let trial = try Trial(.repeated(.text("[]"), separator: ";", atLeast: atLeast, atMost: atMost))
    for text in accepted { #expect(trial.accepts(text), "\(text)") }
    for text in refused { #expect(!trial.accepts(text), "\(text)") }
  }

  @Test func textGoesToTheFirstPlaceOfItsEnd() throws {
    let trial = try Trial(.sequence([.until("aab"), .choice([.text("x"), .text("")])]))
    for text in ["aab", "aabx", "aaaabx", "ab aa b\n☂ aab"] { #expect(trial.accepts(text), "\(text)") }
    for text in ["", "aa", "aabaab", "x", "abx"] { #expect(!trial.accepts(text), "\(text)") }
    let either = try Trial(.choice([.sequence([.until("]"), .text("y")]), .text("x")]))
    #expect(either.accepts("x") && either.accepts("z]y") && !either.accepts("zx"))
  }

  @Test func whatMayBeEmptyMayBeRepeated() throws {
    let trial = try Trial(
      .repeated(.repeated(.text("a"), separator: "", atLeast: 0, atMost: nil), separator: "", atLeast: 0, atMost: nil))
    for text in ["", "a", "aaaa"] { #expect(trial.accepts(text)) }
    #expect(!trial.accepts("ab"))
  }

  @Test func ambiguityDoesNotMultiply() throws {
    // Every byte may end one number and begin the next.
    let trial = try Trial(
      .repeated(
        .choice([.json(["type": "integer"]), .json(["type": "number"])]), separator: "", atLeast: 1, atMost: nil))
    #expect(trial.accepts(String(repeating: "1", count: 2000)))
  }

  @Test func specialTokensStandForTheirTextInTextsOnly() throws {
    let tokens: [[UInt8]?] =
      Vocabularies.pieces.tokens + [Array("<call>".utf8), Array("ll".utf8), Array("<other>".utf8)]
    let call = Int32(tokens.count - 3)
    let vocabulary = TokenVocabulary(
      tokens: tokens, special: [call, call + 1, call + 2], endTokens: [Vocabularies.end, call + 2])
    let grammar = try CompiledGrammar(.sequence([.text("a<call>"), .json(["type": "string"])]), vocabulary: vocabulary)
    var state = grammar.makeState()
    #expect(!mask(of: state).contains(call))
    expectStep(&state, 97, isAllowed: true)
    #expect(mask(of: state).contains(call))
    var spelt = state
    expectStep(&state, call, isAllowed: true)
    #expect(mask(of: state).tokens.contains(34))
    expectStep(&state, 34, isAllowed: true)
    #expect(mask(of: state).tokens.allSatisfy { !(call...call + 2).contains($0) })
    expectStep(&state, call, isAllowed: false)
    for byte in "<ca".utf8 { expectStep(&spelt, Int32(byte), isAllowed: true) }
    #expect(mask(of: spelt).contains(call + 1))
    expectStep(&spelt, call + 1, isAllowed: true)
    expectStep(&spelt, Int32(UInt8(ascii: ">")), isAllowed: true)
  }

  @Test func endTokensAreAllowedExactlyWhenTheOutputIsComplete() throws {
    var state = try CompiledGrammar(.json(["type": "integer"]), vocabulary: Vocabularies.bytes).makeState()
    #expect(!state.isComplete)
    expectStep(&state, Vocabularies.end, isAllowed: false)
    expectStep(&state, 49, isAllowed: true)
    #expect(state.isComplete)
    #expect(mask(of: state).contains(Vocabularies.end))
    let before = state
    expectStep(&state, Vocabularies.end, isAllowed: true)
    #expect(mask(of: state).tokens == [Vocabularies.end])
    expectStep(&state, 49, isAllowed: false)
    var copy = before
    expectStep(&copy, 49, isAllowed: true)
  }

  @Test func aRefusedTokenChangesNothing() throws {
    var state = try CompiledGrammar(.text("ab"), vocabulary: Vocabularies.bytes).makeState()
    for token in [98, -1, 257, Int32.max, Int32.min] { expectStep(&state, token, isAllowed: false) }
    #expect(mask(of: state).tokens == [97])
    expectStep(&state, 97, isAllowed: true)
    expectStep(&state, 98, isAllowed: true)
  }

  @Test func everyGrammarSurvivesItsJSON() throws {
    let grammar = OutputGrammar.sequence([
      .text("é\u{0}"), .jsonObject, .json(["type": "null"]), .json(["type": "object"], inOrder: true),
      .choice([.text(""), .repeated(.json(true), separator: ", ", atLeast: 2, atMost: nil)]),
      .repeated(.text("x"), separator: "", atLeast: 0, atMost: 7),
    ])
    let text = grammar.json.text()
    #expect(try OutputGrammar(json: JSONValue(parsing: text)) == grammar)
  }

  @Test(arguments: [
    #"null"#, #"{}"#, #"{"type":"x"}"#, #"{"type":"text"}"#, #"{"type":"json"}"#, #"{"type":"sequence","items":1}"#,
    #"{"type":"choice","items":[1]}"#,
    #"{"type":"repeated","item":{"type":"json_object"},"separator":"","at_least":0.5}"#,
    #"{"type":"repeated","item":{"type":"json_object"},"separator":"","at_least":0,"at_most":"1"}"#,
  ])
  func malformedMessagesAreErrors(text: String) throws {
    let json = try JSONValue(parsing: text)
    #expect(throws: StructuredOutputError.self) { try OutputGrammar(json: json) }
  }

  @Test func grammarsThatAreNoneAreErrors() {
    let grammars: [OutputGrammar] = [
      .choice([]), .repeated(.text("a"), separator: "", atLeast: 2, atMost: 1),
      .repeated(.text("a"), separator: "", atLeast: -1, atMost: nil),
      .repeated(.text("a"), separator: "", atLeast: 0, atMost: .max),
      (0..<100).reduce(OutputGrammar.text("a")) { inner, _ in .sequence([inner]) },
    ]
    for grammar in grammars {
      #expect(throws: StructuredOutputError.self) { try CompiledGrammar(grammar, vocabulary: Vocabularies.bytes) }
    }
  }

  @Test func aVocabularyThatCannotWriteTheOutputIsAnError() throws {
    let letters = TokenVocabulary(
      tokens: (97...122).map { [UInt8($0)] } + [nil, Array("{}".utf8)], special: [], endTokens: [26])
    #expect(throws: StructuredOutputError.self) { try CompiledGrammar(.jsonObject, vocabulary: letters) }
    #expect(throws: Never.self) { try CompiledGrammar(.text("abc"), vocabulary: letters) }
    // What can be written is left of a choice.
    let state = try CompiledGrammar(.choice([.text("A"), .text("b")]), vocabulary: letters).makeState()
    #expect(mask(of: state).tokens == [1])
    let endless = TokenVocabulary(tokens: [[97]], special: [], endTokens: [7])
    #expect(throws: StructuredOutputError.self) { try CompiledGrammar(.text("a"), vocabulary: endless) }
  }
}
