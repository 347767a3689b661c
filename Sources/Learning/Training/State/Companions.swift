import Checkpoints

/// What lies beside a model's weights and settings, such as its tokenizer: read once when a training begins, written
/// into every checkpoint.
package struct Companions: Sendable {
  private static let names = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tokenizer.model", "tiktoken.model", "chat_template.jinja", "chat_template.json",
    "generation_config.json",
  ]
  private static let byteLimit = 256 << 20

  private var files: [(name: String, bytes: [UInt8])] = []

  /// Those of the folder at `path`, which need not hold a model.
  package init(of path: String) throws {
    let documents = CheckpointFormat.documents(of: path)
    for name in Self.names {
      if let bytes = try documents.document(name, limit: Self.byteLimit) { files.append((name, bytes)) }
    }
  }

  package init() {}

  package var byteCount: Int { files.reduce(0) { $0 + $1.bytes.count } }

  func write(to output: OutputFolder) throws {
    for file in files { try output.write(file.bytes, as: file.name) }
  }
}
