import JSON

/// What GGUF metadata say of a model's text, in the documents that a published folder has.
struct GGUFDocuments: ModelDocuments {
  /// The documents that are made of metadata; chat templates are in `tokenizer_config.json`.
  static let names = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
  /// Control tokens of these texts end a turn in whichever model has them.
  private static let ends = [
    "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "<|return|>", "<|call|>",
    "<end_of_turn>",
  ]

  /// Where the model lies: a file or a folder.
  let path: String
  private let metadata: GGUFMetadata
  private let architecture: GGUFArchitecture

  init(path: String, metadata: GGUFMetadata, architecture: GGUFArchitecture) {
    (self.path, self.metadata, self.architecture) = (path, metadata, architecture)
  }

  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    let value: JSONValue?
    switch name {
    case "tokenizer.json": value = try tokenizerDocument(limit: limit)
    case "tokenizer_config.json": value = try tokenizerConfig()
    case "generation_config.json": value = try generationConfig()
    case RecordedSums.fileName: return try InputFile.document(at: placeOfDocument(name), limit: limit)
    default: value = nil
    }
    guard let value else { return nil }
    let bytes = Array(value.text().utf8)
    guard bytes.count <= limit else { throw .tooLarge(path: "\(path)/\(name)", byteCount: bytes.count, limit: limit) }
    return bytes
  }

  func placeOfDocument(_ name: String) -> String { Self.place(of: name, path) }

  /// Beside a file, in a folder.
  fileprivate static func place(of name: String, _ path: String) -> String {
    path.hasSuffix(".gguf") ? "\(path).\(name)" : "\(path)/\(name)"
  }

  private func tokenizer() throws(CheckpointError) -> GGUFTokenizer {
    try GGUFTokenizer(metadata, fallback: architecture.fallbackSplit(metadata))
  }

  /// Made of the metadata or, where they name what is not known here, the file of this name beside the model.
  private func tokenizerDocument(limit: Int) throws(CheckpointError) -> JSONValue? {
    do throws(CheckpointError) { return try tokenizer().json() } catch {
      guard case .gguf(_, _, let problem) = error, problem.isOfUnknownTokenizer else { throw error }
      let folder = metadata.path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      let beside = (folder + ["tokenizer.json"]).joined(separator: "/")
      guard let bytes = try InputFile.document(at: beside, limit: limit) else { throw error }
      do throws(JSONError) { return try JSONValue(parsing: bytes) } catch let other {
        throw .json(path: beside, byte: 0, other)
      }
    }
  }

  private func tokenizerConfig() throws(CheckpointError) -> JSONValue {
    var config = JSONObject()
    for (name, id) in try namedTokens() {
      if let text = try tokenText(id) { config["\(name)_token"] = .string(text) }
    }
    let fallback = (try? tokenizer()).map { $0.split?.addsBegin ?? true } ?? false
    config["add_bos_token"] = .bool(try metadata.bool("tokenizer.ggml.add_bos_token") ?? fallback)
    config["chat_template"] = try chatTemplate()
    return .object(config)
  }

  /// The template, or a list of them by name where there are several.
  private func chatTemplate() throws(CheckpointError) -> JSONValue? {
    let key = "tokenizer.chat_template"
    guard let template = try metadata.string(key) else { return nil }
    guard let tools = try metadata.string("\(key).tool_use") else { return .string(template) }
    return [
      ["name": "default", "template": .string(template)], ["name": "tool_use", "template": .string(tools)],
    ]
  }

  private func tokenText(_ id: Int) throws(CheckpointError) -> String? {
    guard metadata["tokenizer.ggml.tokens"] != nil else { return nil }
    var found: String?
    try metadata.forEachString("tokenizer.ggml.tokens") { (index, bytes) throws(CheckpointError) in
      if index == id { found = String(validating: bytes, as: UTF8.self) }
    }
    return found
  }

  /// The ids of the tokens that begin and end a text.
  func namedTokens() throws(CheckpointError) -> [(name: String, id: Int)] {
    var tokens: [(name: String, id: Int)] = []
    for name in ["bos", "eos"] {
      if let id = try token("\(name)_token_id") { tokens.append((name, id)) }
    }
    return tokens
  }

  /// A token that the metadata name by its id; one beyond the vocabulary is that of none.
  private func token(_ name: String) throws(CheckpointError) -> Int? {
    let key = "tokenizer.ggml.\(name)"
    guard let id = try metadata.int(key, in: 0...Int(UInt32.max)), id != Int(UInt32.max) else { return nil }
    guard let count = try metadata.array("tokenizer.ggml.tokens")?.count else { return id }
    guard id < count else { throw metadata.outOfRange(key, id, 0...max(count - 1, 0)) }
    return id
  }

  /// The tokens that end a text, and what the makers recommend to sample with.
  func generationConfig() throws(CheckpointError) -> JSONValue? {
    var config = JSONObject()
    var ends: [Int] = []
    for name in ["eos_token_id", "eot_token_id", "eom_token_id"] { if let id = try token(name) { ends.append(id) } }
    if let tokenizer = try? tokenizer() { ends += try tokenizer.controls(Self.ends + (tokenizer.split?.ends ?? [])) }
    if !ends.isEmpty { config["eos_token_id"] = .array(Set(ends).sorted().map { .int($0) }) }
    let parameters = [
      ("temp", "temperature"), ("top_k", "top_k"), ("top_p", "top_p"), ("min_p", "min_p"),
      ("penalty_repeat", "repetition_penalty"),
    ]
    for (key, name) in parameters {
      if let value = try metadata.number("general.sampling.\(key)", in: -1e9...1e9) { config[name] = .number(value) }
    }
    return config.count == 0 ? nil : .object(config)
  }
}

/// The documents of GGUF files that are opened when the first is asked for.
final class UnopenedGGUFDocuments: ModelDocuments {
  let path: String

  init(path: String) { self.path = path }

  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    // A name that there is never a document of costs nothing.
    guard GGUFDocuments.names.contains(name) || name == RecordedSums.fileName else { return nil }
    if name == "config.json" { return try GGUFCheckpoint(path: path).document(name, limit: limit) }
    let limits = CheckpointLimits()
    let shards = try GGUFShards(path: path, limits: limits)
    let metadata = try GGUFFile(path: shards.paths[0], limits: limits).metadata
    return try GGUFDocuments(path: path, metadata: metadata, architecture: try GGUFArchitecture.of(metadata))
      .document(name, limit: limit)
  }

  func placeOfDocument(_ name: String) -> String { GGUFDocuments.place(of: name, path) }
}
