/// Why a policy cannot be trained.
package enum ReinforcementError: Error, CustomStringConvertible {
  case ranksDisagree(String)
  /// A prompt, by its file and line, that cannot be continued.
  case badPrompt(file: String, line: Int, reason: String)
  case failedRollout(line: Int, reason: String)
  case badSetting(String, String, String)

  package var description: String {
    switch self {
    case .ranksDisagree(let what):
      "the ranks of the training disagree about \(what): check that all run the same program with the same files"
    case .badPrompt(let file, let line, let reason):
      "\(file.debugDescription), line \(line): its prompt cannot be continued: \(reason)"
    case .failedRollout(let line, let reason): "a completion of the prompt of line \(line) failed: \(reason)"
    case .badSetting(let what, let value, let hint): "\(what) is \(value): \(hint)"
    }
  }
}
