/// Why a policy cannot be trained.
package enum ReinforcementError: Error, CustomStringConvertible {
  /// A prompt, by its file and line, that cannot be continued.
  case badPrompt(file: String, line: Int, reason: String)
  case failedRollout(line: Int, reason: String)
  case badSetting(String, String, String)

  package var description: String {
    switch self {
    case .badPrompt(let file, let line, let reason):
      "\(file.debugDescription), line \(line): its prompt cannot be continued: \(reason)"
    case .failedRollout(let line, let reason): "a completion of the prompt of line \(line) failed: \(reason)"
    case .badSetting(let what, let value, let hint): "\(what) is \(value): \(hint)"
    }
  }
}
