import Reports

/// Why a checkpoint of random weights cannot be made.
package enum MakeCheckpointError: Error, CustomStringConvertible {
  case unknownShape(String, known: [String])
  case outputExists(String)
  case vocabularyTooSmall(Int, smallest: Int)
  case noSpace(folder: String, needed: Int, available: Int)
  case system(operation: String, path: String, reason: String)

  package var description: String {
    switch self {
    case .unknownShape(let name, let known):
      """
      --shape \(name.debugDescription) is not known; give \(known.joined(separator: ", ")) or the path of a \
      config.json
      """
    case .outputExists(let path):
      "\(path.debugDescription) is there already and not an empty folder; give another name or remove it"
    case .vocabularyTooSmall(let size, let smallest):
      "vocab_size = \(size) leaves no room for a tokenizer of all bytes; it must be at least \(smallest)"
    case .noSpace(let folder, let needed, let available):
      "the checkpoint takes \(Figures.size(needed)), and \(folder.debugDescription) has \(Figures.size(available)) free"
    case .system(let operation, let path, let reason): "cannot \(operation) \(path.debugDescription): \(reason)"
    }
  }
}
