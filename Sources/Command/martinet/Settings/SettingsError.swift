/// Why a configuration file or a variable of the environment cannot be used.
enum SettingsError: Error, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  case notAnObject(path: String)
  /// `place`: the file, or the environment.
  case unknown(name: String, place: String, suggestion: String?, command: String)
  case wrongKind(name: String, place: String, found: String, expected: String)
  case withoutFile(option: String)

  var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read the configuration in \(path): \(reason)"
    case .notAnObject(let path):
      "\(path) is no configuration: it must be a JSON object whose members are options, as {\"port\": 8000}"
    case .unknown(let name, let place, let suggestion, let command):
      "\(place): there is no option \(name)"
        + (suggestion.map { "; did you mean \($0)?" } ?? "; see martinet \(command) --help")
    case .wrongKind(let name, let place, let found, let expected):
      "\(place): \(name) is \(found), but must be \(expected)"
    case .withoutFile(let option): "--\(option) needs the name of a file"
    }
  }
}
