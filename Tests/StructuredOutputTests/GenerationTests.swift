import JSON
import StructuredOutput
import Testing
import Tokenization

/// Outputs of models that know nothing but the masks, held against a plain validator.
@Suite struct GenerationTests {
  private func check(
    _ schema: String, vocabulary: TokenVocabulary, tokens: [[UInt8]?], ends: Set<Int32>, count: Int, patience: Int,
    inOrder: Bool = false
  ) throws {
    let json = try JSONValue(parsing: schema)
    let grammar = try CompiledGrammar(.json(json, inOrder: inOrder), vocabulary: vocabulary)
    let checker = SchemaChecker(root: json)
    var generator = RandomOutput.Generator(state: 0x9E37_79B9_7F4A_7C15)
    for _ in 0..<count {
      let text: String
      do {
        text = try RandomOutput.make(grammar, tokens: tokens, ends: ends, patience: patience, using: &generator)
      } catch RandomOutput.Failure.tooLong where schema.contains("required") {
        // A model that knows nothing may never hit upon a required name among all others.
        continue
      }
      switch Result(catching: { () throws(JSONError) in try JSONValue(parsing: text) }) {
      case .success(let value):
        #expect(checker.accepts(value), "\(schema) was given \(text)")
        if inOrder { #expect(isInOrder(value, json), "\(schema) was given \(text)") }
      // Names that no schema mentions may come twice; see the documentation of the module.
      case .failure(.duplicateKey): break
      case .failure(let error): throw error
      }
    }
  }

  @Test(arguments: SchemaCorpus.all)
  func randomPiecesMakeValidOutputs(schema: String) throws {
    let (tokens, vocabulary) = Vocabularies.pieces
    try check(schema, vocabulary: vocabulary, tokens: tokens, ends: [Vocabularies.end], count: 12, patience: 25)
  }

  /// Whether the members that the schema itself declares come first, and in its order.
  private func isInOrder(_ value: JSONValue, _ schema: JSONValue) -> Bool {
    guard let members = value.object, let declared = schema["properties"]?.object else { return true }
    let known = members.keys.filter { declared[$0] != nil }
    let isSorted = known == declared.keys.filter { members[$0] != nil }
    return isSorted && (schema["additionalProperties"] == nil || members.keys.starts(with: known))
  }

  @Test(arguments: SchemaCorpus.all)
  func randomPiecesInDeclaredOrderMakeValidOutputs(schema: String) throws {
    let (tokens, vocabulary) = Vocabularies.pieces
    try check(
      schema, vocabulary: vocabulary, tokens: tokens, ends: [Vocabularies.end], count: 12, patience: 25, inOrder: true)
  }

  @Test(arguments: SchemaCorpus.all)
  func randomTokensOfAPublishedVocabularyMakeValidOutputs(schema: String) throws {
    let published = try Vocabularies.deepseek.get()
    try check(
      schema, vocabulary: published.vocabulary, tokens: published.tokens, ends: [published.endToken], count: 1,
      patience: 12)
  }

  /// Grammars whose outputs are bounded end also with a model that wants whitespace, then quotes, then digits.
  @Test(arguments: SchemaCorpus.all)
  func greedForWhitespaceQuotesAndDigitsComesToAnEnd(schema: String) throws {
    let (tokens, vocabulary) = Vocabularies.pieces
    let json = try JSONValue(parsing: schema)
    var state = try CompiledGrammar(.json(json), vocabulary: vocabulary).makeState()
    var spaces = 0
    var bytes: [UInt8] = []
    func rank(_ token: Int32) -> Int {
      guard let text = tokens[Int(token)] else { return 0 }
      // Inside of strings whitespace is text, which has no bound of its own.
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x0A }) { return spaces < 40 ? 100 + text.count : 1 }
      if text.allSatisfy({ $0 == 0x22 }) { return 90 }
      if text.allSatisfy({ (48...57).contains($0) }) { return 80 + text.count }
      if text == [0x5D] || text == [0x7D] { return 70 }
      return 2
    }
    // 120 levels of nesting, each with a name of whitespace and whitespace on both sides.
    for _ in 0..<20_000 {
      let mask = state.allowedTokens()
      var allowed = mask.tokens
      if state.isComplete {
        allowed.removeAll { $0 == Vocabularies.end }
        // Unless more of the same would follow.
        if allowed.isEmpty || !allowed.contains(where: { rank($0) > 70 }) { break }
      }
      let token = try #require(allowed.max { (rank($0), $1) < (rank($1), $0) })
      if rank(token) >= 100 || rank(token) == 1 { spaces += 1 } else { spaces = 0 }
      expectStep(&state, token, isAllowed: true)
      bytes += tokens[Int(token)] ?? []
    }
    // Greed for the shortest name may never come to a required one.
    if !state.isComplete, schema.contains("required") || schema.contains("minProperties") { return }
    #expect(state.isComplete, "\(schema): \(String(decoding: bytes.prefix(200), as: UTF8.self))")
    switch Result(catching: { () throws(JSONError) in try JSONValue(parsing: bytes) }) {
    case .success(let value): #expect(SchemaChecker(root: json).accepts(value))
    // Names that no schema mentions may come twice.
    case .failure(.duplicateKey): break
    case .failure(let error): throw error
    }
  }

  @Test func encodedTextsAreAcceptedTokenByToken() throws {
    let published = try Vocabularies.deepseek.get()
    let texts = [
      (
        ##"{"type":"object"}"##,
        #"{"city": "東京", "note": "line\n\"quoted\" 😀", "list": [1, 2.5, -3e2, true, null, {}]}"#
      ),
      (SchemaCorpus.objects[9], "{\"location\": \"Paris, France\", \"unit\": \"celsius\"}"),
      (SchemaCorpus.recursive[0], "{\n  \"value\": 1,\n  \"children\": [\n    {\n      \"value\": 22\n    }\n  ]\n}"),
    ]
    for (schema, text) in texts {
      var state = try CompiledGrammar(.json(JSONValue(parsing: schema)), vocabulary: published.vocabulary).makeState()
      for token in try published.tokenizer.encode(text, addSpecialTokens: false) {
        #expect(mask(of: state).contains(Int32(token)), "\(text)")
        expectStep(&state, Int32(token), isAllowed: true)
      }
      #expect(state.isComplete)
      #expect(mask(of: state).contains(published.endToken))
    }
  }

  /// The walk of the trie is held against trying every token by itself.
  @Test(arguments: [
    SchemaCorpus.objects[3], SchemaCorpus.strings[7], SchemaCorpus.combinations[1], SchemaCorpus.recursive[2],
    SchemaCorpus.strings[2],
    SchemaCorpus.unique[0], SchemaCorpus.unique[3], SchemaCorpus.objects[9], SchemaCorpus.conditions[4],
    #"{"type":"string","pattern":"^[ab\"]*$","maxLength":3}"#,
  ])
  func masksHoldExactlyTheTokensThatStepsAccept(schema: String) throws {
    let (tokens, vocabulary) = Vocabularies.pieces
    var generator = RandomOutput.Generator(state: 77)
    for round in 0..<8 {
      let grammar = try CompiledGrammar(
        .json(JSONValue(parsing: schema), inOrder: round >= 6), vocabulary: vocabulary)
      var state = grammar.makeState()
      for _ in 0..<40 {
        let mask = state.allowedTokens()
        for token in tokens.indices.map({ Int32($0) }) {
          var copy = state
          expectStep(&copy, token, isAllowed: mask.contains(token))
        }
        guard let token = mask.tokens.randomElement(using: &generator) else { break }
        expectStep(&state, token, isAllowed: true)
      }
    }
  }

  /// The automaton that grows with use is thrown away several times on the way.
  @Test func statesSurviveWhatTheCacheForgets() throws {
    let grammar = try CompiledGrammar(.json(["type": "string", "maxLength": 6000]), vocabulary: Vocabularies.bytes)
    var state = grammar.makeState()
    expectStep(&state, 34, isAllowed: true)
    var early = state
    for _ in 0..<6000 {
      #expect(mask(of: state).contains(97))
      expectStep(&state, 97, isAllowed: true)
    }
    #expect(mask(of: state).tokens == [34])
    #expect(mask(of: early).contains(97))
    expectStep(&early, 0xE6, isAllowed: true)
    #expect(mask(of: early).tokens == Array(0x80...0xBF))
  }

  @Test func sequencesOnManyThreadsShareAGrammar() async throws {
    let (tokens, vocabulary) = Vocabularies.pieces
    let grammar = try CompiledGrammar(.jsonObject, vocabulary: vocabulary)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seed in 1...8 {
        group.addTask {
          var generator = RandomOutput.Generator(state: UInt64(seed) << 20)
          for _ in 0..<5 {
            _ = try RandomOutput.make(
              grammar, tokens: tokens, ends: [Vocabularies.end], patience: 40, using: &generator)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
