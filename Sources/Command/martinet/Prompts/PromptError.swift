/// Why a prompt, a list of ids, or a file named on the command line cannot be used.
enum PromptError: Error, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  case tooLarge(path: String, limit: Int)
  case notUTF8(path: String, byte: Int)
  case unwritable(path: String, reason: String)
  case malformedLine(path: String, line: Int, reason: String)
  case noPrompts(path: String)
  case malformedIDs(String)
  case malformedMessages(path: String, reason: String)

  var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .tooLarge(let path, let limit): "\(path) has more than \(limit) bytes; give it in parts"
    case .notUTF8(let path, let byte): "\(path) is not UTF-8 text: byte \(byte) is out of place; convert it to UTF-8"
    case .unwritable(let path, let reason): "cannot write \(path): \(reason); name a file in a folder you may write to"
    case .malformedLine(let path, let line, let reason): "\(path), line \(line): \(reason)"
    case .noPrompts(let path): "\(path) has no prompts: give one JSON object or one line of text a prompt"
    case .malformedIDs(let text): "\"\(text)\" is not a list of token ids; write them as 1,2,3"
    case .malformedMessages(let path, let reason): "\(path): \(reason)"
    }
  }
}
