import Threads

/// Why a chat template cannot be read or rendered, and at which of its lines.
package enum ChatTemplateError: Error, Equatable, CustomStringConvertible {
  case templateTooLarge(byteCount: Int, limit: Int)
  case syntax(String, line: Int)
  case unknownTag(String, line: Int)
  case unknownFilter(String, line: Int)
  case unknownTest(String, line: Int)
  /// A construct that Jinja has and this interpreter leaves out.
  case unsupported(String, line: Int)
  case undefined(String, line: Int)
  /// An operation that Python would refuse for these values.
  case operation(String, line: Int)
  /// The template itself called `raise_exception`.
  case raised(String, line: Int)
  case limitExceeded(TemplateLimits.Kind, limit: Int, line: Int)
  case messageNotObject(index: Int, kind: String)
  /// The system gave no thread to render on.
  case noThread(ThreadError)

  package var description: String {
    switch self {
    case .templateTooLarge(let count, let limit):
      "chat template of \(count) bytes is larger than the limit of \(limit)"
    case .syntax(let problem, let line): "chat template, line \(line): \(problem)"
    case .unknownTag(let name, let line):
      "chat template, line \(line): there is no tag '\(name)' here; check that the blocks are closed in order"
    case .unknownFilter(let name, let line): "chat template, line \(line): there is no filter '\(name)'"
    case .unknownTest(let name, let line): "chat template, line \(line): there is no test '\(name)'"
    case .unsupported(let construct, let line):
      "chat template, line \(line): \(construct) is not supported; use a template without it"
    case .undefined(let problem, let line): "chat template, line \(line): \(problem)"
    case .operation(let problem, let line): "chat template, line \(line): \(problem)"
    case .raised(let message, let line):
      "chat template refuses this conversation (line \(line)): \(message)"
    case .limitExceeded(let kind, let limit, let line):
      "chat template, line \(line): \(kind.rawValue) went past the limit of \(limit)"
    case .noThread(let error):
      "no thread could be started for a chat template (\(error.reason)); check the limits on threads and memory"
    case .messageNotObject(let index, let kind): "chat message \(index) is \(kind) where an object should be"
    }
  }
}
