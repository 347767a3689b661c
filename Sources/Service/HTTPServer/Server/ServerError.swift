/// Why a server cannot start.
package enum ServerError: Error, Equatable, CustomStringConvertible {
  case unreadableKeys(path: String, reason: String)
  case malformedKey(path: String, line: Int, reason: String)
  case noKeys(path: String)
  case unusableTLS(path: String, reason: String)
  case noModelName
  case cannotListen(host: String, port: Int, reason: String)

  package var description: String {
    switch self {
    case .unreadableKeys(let path, let reason): "cannot read the API keys in \(path): \(reason)"
    case .malformedKey(let path, let line, let reason):
      "\(path), line \(line): \(reason); write one API key a line, and comments and labels after #"
    case .noKeys(let path): "\(path) has no API keys: write one a line, or leave the option out to need none"
    case .unusableTLS(let path, let reason): "cannot use \(path) for TLS: \(reason)"
    case .noModelName: "the served model needs at least one name that is not empty"
    case .cannotListen(let host, let port, let reason):
      "cannot listen on \(host), port \(port): \(reason); give another address or port, or end what uses it"
    }
  }
}
