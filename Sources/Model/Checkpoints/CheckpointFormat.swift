/// A format of checkpoints: by what it is recognised, and who opens it.
package struct CheckpointFormat: Sendable {
  package let name: String
  /// Whether what lies at a path is in this format, as far as it can be told without opening it.
  let recognises: @Sendable (_ path: String) -> Bool
  let open: @Sendable (_ path: String, CheckpointLimits) throws(CheckpointError) -> any Checkpoint
  /// What lies beside the weights, which are not opened.
  let documents: @Sendable (_ path: String) -> any ModelDocuments

  /// Every format, a row each. The first that recognises a path opens it; the last takes what no other recognises.
  package static let all = [
    CheckpointFormat(
      name: "GGUF", recognises: { GGUFShards.recognises($0) },
      open: { (path, limits) throws(CheckpointError) in try GGUFCheckpoint(path: path, limits: limits) },
      documents: { UnopenedGGUFDocuments(path: $0) }),
    CheckpointFormat(
      name: "Hugging Face", recognises: { _ in true },
      open: { (path, limits) throws(CheckpointError) in try HuggingFaceFolder(path: path, limits: limits) },
      documents: { FolderDocuments(path: $0) }),
  ]

  /// The format of what lies at `path`.
  package static func format(of path: String) -> CheckpointFormat {
    all.first { $0.recognises(path) } ?? all[all.count - 1]
  }

  /// Opens what lies at `path`.
  package static func open(
    _ path: String, limits: CheckpointLimits = CheckpointLimits()
  ) throws(CheckpointError) -> any Checkpoint { try format(of: path).open(path, limits) }

  /// The documents of what lies at `path`.
  package static func documents(of path: String) -> any ModelDocuments { format(of: path).documents(path) }
}
