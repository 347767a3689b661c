import JSON

extension Tokenizer {
  /// What a model's own code says of its `tiktoken.model`, which the file does not: told by the name of the class.
  private struct Dialect {
    /// `tokenizer_class`, or the module and class in `auto_map`.
    let names: [String]
    /// How text is cut into words, in Oniguruma's syntax.
    let pattern: String
    /// Ids after the vocabulary's that are special tokens.
    let reservedCount: Int
  }

  /// Kimi K2 and its successors: letters apart from Chinese ones, which are words of their own. Its class also cuts
  /// runs of more than 25,000 characters without a blank, and of as many blanks, to spare a slow library: not so here.
  private static let kimi = Dialect(
    names: ["TikTokenTokenizer", "tokenization_kimi.TikTokenTokenizer"],
    pattern: [
      #"[\p{Han}]+"#,
      #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#,
      #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#,
      #"\p{N}{1,3}"#, #" ?[^\s\p{L}\p{N}]+[\r\n]*"#, #"\s*[\r\n]+"#, #"\s+(?!\S)"#, #"\s+"#,
    ].joined(separator: "|"),
    reservedCount: 256)

  static let tiktokenName = "tiktoken.model"

  /// Builds the tokenizer of a `tiktoken.model`, of which `tokenizer_config.json` must say whose it is, and names the
  /// special tokens (`added_tokens_decoder`); the other parameters are as for `tokenizer.json`.
  package convenience init(
    tiktoken: [UInt8], config: JSONValue?, chatTemplate: String? = nil, toolTemplate: String? = nil
  ) throws(TokenizerError) {
    let settings = TokenizerField(value: config, path: "tokenizer_config.json")
    let dialect = try Self.dialect(settings)
    let vocabulary = try TikTokenVocabulary(tiktoken, path: Self.tiktokenName)
    let model = try vocabulary.model(path: Self.tiktokenName)
    let added = TokenizerField(
      value: .array(try Self.specialTokens(settings, after: vocabulary, count: dialect.reservedCount)),
      path: settings["added_tokens_decoder"].path)
    let split = TextPattern.regex(try CompiledPattern(source: dialect.pattern, field: Self.tiktokenName))
    try self.init(
      TokenizerParts(
        model: model, normalizer: nil, preTokenizers: [.split(split, .isolated, inverted: false)],
        endsInByteLetters: true, decoders: [.byteLevel],
        added: try AddedToken.read(
          added, vocabulary: model.tokens, normalizer: nil, scratch: MatchScratch(byteCount: 1 << 20)),
        postProcessor: TokenizerField(value: nil, path: Self.tiktokenName)),
      config: config, chatTemplate: chatTemplate, toolTemplate: toolTemplate)
  }

  private static func dialect(_ settings: TokenizerField) throws(TokenizerError) -> Dialect {
    let mapped = settings["auto_map"]["AutoTokenizer"]
    let names = [mapped.value?.array?.first?.string, mapped.value?.string, settings["tokenizer_class"].value?.string]
    let found = names.compactMap { $0 }
    guard found.contains(where: { kimi.names.contains($0) }) else {
      throw .unsupported(
        field: "\(settings["tokenizer_class"].path), beside a \(tiktokenName)", value: found.last ?? "missing",
        supported: kimi.names.joined(separator: ", ") + " (Kimi's); or a tokenizer.json")
    }
    return kimi
  }

  /// As "added_tokens" of a `tokenizer.json`: those that are named, and the rest of the reserved ids, which are named
  /// after themselves.
  private static func specialTokens(
    _ settings: TokenizerField, after vocabulary: TikTokenVocabulary, count: Int
  ) throws(TokenizerError) -> [JSONValue] {
    var tokens: [JSONValue] = []
    var named: Set<Int> = []
    let field = settings["added_tokens_decoder"]
    if !field.isAbsent {
      guard let object = field.value?.object else { throw field.failure(expected: "an object") }
      guard object.count <= AddedToken.countLimit else {
        throw .limitExceeded(
          field: "the number of tokens in \(field.path)", value: object.count, limit: AddedToken.countLimit)
      }
      for key in object.keys {
        guard let id = Int(key), (0..<BPEModel.idLimit).contains(id), String(id) == key else {
          throw .unexpectedValue(
            field: "an id in \(field.path)", found: "\"\(key)\"", expected: "a number from 0 to \(BPEModel.idLimit - 1)"
          )
        }
        guard named.insert(id).inserted else { continue }
        let entry = field[key]
        tokens.append(
          [
            "id": .int(id), "content": .string(try entry["content"].string()),
            "single_word": .bool(try entry["single_word"].bool(default: false)),
            "lstrip": .bool(try entry["lstrip"].bool(default: false)),
            "rstrip": .bool(try entry["rstrip"].bool(default: false)), "normalized": false,
            "special": .bool(try entry["special"].bool(default: true)),
          ])
      }
    }
    for id in vocabulary.count..<(vocabulary.count + count) where !named.contains(id) {
      tokens.append(
        [
          "id": .int(id), "content": .string("<|reserved_token_\(id)|>"), "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false, "special": true,
        ])
    }
    return tokens
  }
}
