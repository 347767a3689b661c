/// Why a load cannot be made, or a server's answer not be used.
package enum LoadError: Error, Equatable, CustomStringConvertible {
  case badURL(String)
  case badKey
  case badCertificates(path: String)
  case unreachable(url: String, reason: String)
  case refused(what: String, status: Int, message: String)
  case malformedReply(what: String, reason: String)
  case noModel(url: String)
  case noVocabulary(url: String)
  case noPrompts
  case badPrompt(line: Int, reason: String)
  case shortTexts(tokens: Int, length: Int)
  case badGoal(String)
  case warmUpFailed(String)

  package var description: String {
    switch self {
    case .badURL(let url): "\"\(url)\" is no address of a server; write it as http://host:port"
    case .badKey: "the API key has characters that no HTTP header may hold; give it as one line of ASCII"
    case .badCertificates(let path): "\(path) holds no certificates that can be read; give a PEM file"
    case .unreachable(let url, let reason):
      "no server answers at \(url): \(reason); start one with `martinet serve`, or name another address"
    case .refused(let what, let status, let message): "the server refused \(what) with status \(status): \(message)"
    case .malformedReply(let what, let reason): "the server's answer to \(what) cannot be used: \(reason)"
    case .noModel(let url):
      "\(url)/v1/models names no model; name the one that is meant (--model, --endpoint-model or --judge-model)"
    case .noVocabulary(let url):
      """
      \(url) does not tell how many token ids its model has; give --vocabulary-size, or prompts as text (--dataset \
      FILE.jsonl)
      """
    case .noPrompts:
      "the data set has no prompts; give one JSON object a line, with \"prompt\", \"text\" or \"messages\""
    case .badPrompt(let line, let reason): "line \(line) of the data set: \(reason)"
    case .shortTexts(let tokens, let length):
      "the data set's longest text has \(tokens) tokens, less than the \(length) of --prompt-length; lower it"
    case .badGoal(let text):
      "\"\(text)\" is no list of goals; write milliseconds as ttft:500,tpot:50 (ttft, tpot, itl or e2el)"
    case .warmUpFailed(let reason): "a request to warm up failed: \(reason)"
    }
  }
}
