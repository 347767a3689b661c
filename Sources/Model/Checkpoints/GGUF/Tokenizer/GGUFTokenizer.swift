import JSON

/// A file's tokenizer (`tokenizer.ggml.…`) as the text of a `tokenizer.json`.
struct GGUFTokenizer {
  /// What a token is, by GGUF's numbers.
  enum Kind: Int {
    case normal = 1, unknown, control, userDefined, unused, byte
  }

  let metadata: GGUFMetadata
  private let kinds: [Kind]
  /// How text is split; nil for SentencePiece's.
  let split: SplitPattern?
  private let tokenCount: Int

  /// `fallback`: the way to split text where the file does not tell. Throws where the tokenizer is of a kind that is
  /// not read here.
  init(_ metadata: GGUFMetadata, fallback: String) throws(CheckpointError) {
    self.metadata = metadata
    guard let tokens = try metadata.array("tokenizer.ggml.tokens") else { throw metadata.problem(.noTokenizer) }
    guard tokens.count <= GGUFMetadata.entryLimit else {
      throw .tooMany(path: metadata.path, what: "tokens", limit: GGUFMetadata.entryLimit)
    }
    tokenCount = tokens.count
    kinds = try Self.kinds(metadata, count: tokens.count)
    switch try metadata.string("tokenizer.ggml.model") ?? "" {
    case "gpt2":
      var name = try metadata.string("tokenizer.ggml.pre") ?? "default"
      // Files from before the name was written.
      if name == "default" { name = fallback }
      guard let split = SplitPattern.named(name) else {
        throw metadata.problem(.unknownSplit(name, known: SplitPattern.knownNames))
      }
      self.split = split
    case "llama": split = nil
    case let other: throw metadata.problem(.tokenizerModel(other))
    }
  }

  private static func kinds(_ metadata: GGUFMetadata, count: Int) throws(CheckpointError) -> [Kind] {
    let key = "tokenizer.ggml.token_type"
    guard let values = try metadata.scalars(key) else { return Array(repeating: .normal, count: count) }
    guard values.count == count else {
      throw metadata.problem(.tokenLists(key: key, found: values.count, expected: count))
    }
    var kinds: [Kind] = []
    kinds.reserveCapacity(count)
    for value in values {
      // 0 is that of no kind in particular.
      guard case .integer(let number) = value, number == 0 || Kind(rawValue: number) != nil else {
        throw metadata.wrongType(key, value, "a type of tokens from 0 to 6")
      }
      kinds.append(Kind(rawValue: number) ?? .normal)
    }
    return kinds
  }

  /// The text of one token; nil where there is none of this id.
  func token(_ id: Int) throws(CheckpointError) -> String? {
    var found: String?
    try metadata.forEachString("tokenizer.ggml.tokens") { (index, bytes) throws(CheckpointError) in
      if index == id { found = try text(bytes) }
    }
    return found
  }

  /// Control tokens of these texts.
  func controls(_ texts: [String]) throws(CheckpointError) -> [Int] {
    var found: [Int] = []
    let wanted = texts.map { Array($0.utf8) }
    try metadata.forEachString("tokenizer.ggml.tokens") { (index, bytes) throws(CheckpointError) in
      if kinds[index] == .control, wanted.contains(where: { $0.elementsEqual(bytes) }) { found.append(index) }
    }
    return found
  }

  private func text(_ bytes: ArraySlice<UInt8>) throws(CheckpointError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw metadata.problem(.notUTF8("a token")) }
    return text
  }

  /// The document. Tokens of no use (`[PAD151936]` and the like) are left out.
  func json() throws(CheckpointError) -> JSONValue {
    var vocabulary = JSONObject()
    var added: [JSONValue] = []
    var unknown: String?
    try metadata.forEachString("tokenizer.ggml.tokens") { (id, bytes) throws(CheckpointError) in
      let kind = kinds[id]
      guard kind != .unused, !bytes.isEmpty else { return }
      let token = try text(bytes)
      guard vocabulary[token] == nil else { throw metadata.problem(.repeatedToken(token)) }
      vocabulary[token] = .int(id)
      if kind == .unknown { unknown = unknown ?? token }
      guard kind == .control || kind == .userDefined || kind == .unknown else { return }
      added.append([
        "id": .int(id), "content": .string(token), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": .bool(kind != .userDefined),
      ])
    }
    let model = JSONObject([
      ("type", "BPE"), ("dropout", .null), ("unk_token", unknown.flatMap { split == nil ? .string($0) : nil } ?? .null),
      ("continuing_subword_prefix", .null), ("end_of_word_suffix", .null), ("fuse_unk", .bool(split == nil)),
      ("byte_fallback", .bool(split == nil)), ("ignore_merges", .bool(split?.ignoresMerges ?? false)),
      ("vocab", .object(vocabulary)),
      ("merges", .array(try split == nil ? PieceMerges(self, vocabulary).json() : merges())),
    ])
    let stages = try stages()
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
      "normalizer": stages.normalizer, "pre_tokenizer": split?.json ?? .null, "post_processor": .null,
      "decoder": stages.decoder, "model": .object(model),
    ]
  }

  private func merges() throws(CheckpointError) -> [JSONValue] {
    var merges: [JSONValue] = []
    try metadata.forEachString("tokenizer.ggml.merges") { (_, bytes) throws(CheckpointError) in
      merges.append(.string(try text(bytes)))
    }
    return merges
  }

  /// Whether a text gets a space before it: SentencePiece's habit.
  private func addsSpace() throws(CheckpointError) -> Bool {
    try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
  }

  private func stages() throws(CheckpointError) -> (normalizer: JSONValue, decoder: JSONValue) {
    guard split == nil else {
      let decoder: JSONValue = ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]
      return (split?.composes == true ? ["type": "NFC"] : .null, decoder)
    }
    let mark: JSONValue = "\u{2581}"
    let prefix: [JSONValue] = try addsSpace() ? [["type": "Prepend", "prepend": mark]] : []
    let strip: [JSONValue] = try addsSpace() ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : []
    return (
      [
        "type": "Sequence",
        "normalizers": .array(prefix + [["type": "Replace", "pattern": ["String": " "], "content": mark]]),
      ],
      [
        "type": "Sequence",
        "decoders": .array(
          [
            ["type": "Replace", "pattern": ["String": mark], "content": " "], ["type": "ByteFallback"],
            ["type": "Fuse"],
          ] + strip),
      ]
    )
  }

  /// The score of each token, which SentencePiece merges by; and whether it may come of a merge.
  func scores() throws(CheckpointError) -> [(score: Float, isMade: Bool)] {
    let key = "tokenizer.ggml.scores"
    guard let values = try metadata.scalars(key) else { throw metadata.problem(.missing(key: key)) }
    guard values.count == tokenCount else {
      throw metadata.problem(.tokenLists(key: key, found: values.count, expected: tokenCount))
    }
    var scores: [(score: Float, isMade: Bool)] = []
    scores.reserveCapacity(tokenCount)
    for (kind, value) in zip(kinds, values) {
      guard case .float32(let score) = value, !score.isNaN else {
        throw metadata.wrongType(key, value, "a list of 32-bit numbers")
      }
      scores.append((score, kind == .normal || kind == .userDefined))
    }
    return scores
  }
}
