import EngineAPI
import Glibc
import JSON
import Machine

/// Why a job could not be started, or what is wrong with what came over the link to it.
package enum SupervisionError: Error, Equatable, CustomStringConvertible {
  case emptyCommand
  case start(String, MachineError)
  /// A call to the system failed; `detail` is what it was for.
  case system(call: String, detail: String, errno: Int32)
  case lineTooLong(limit: Int)
  case malformedLine(JSONError)
  case malformedField(EngineAPIError)
  case unknownKind(String)
  /// The two ends are of different programs.
  case otherVersion(Int, expected: Int)

  package var description: String {
    switch self {
    case .emptyCommand: "the job has no command"
    case .start(let program, let error): "\(program) could not be started: \(error)"
    case .system(let call, let detail, let number): "\(call) failed for \(detail): \(String(cString: strerror(number)))"
    case .lineTooLong(let limit): "a line on the link is longer than \(limit) bytes"
    case .malformedLine(let error): "a line on the link is damaged: \(error)"
    case .malformedField(let error): "a message on the link is not of the protocol: \(error)"
    case .unknownKind(let kind): "a message on the link is of the unknown kind \"\(kind.prefix(60))\""
    case .otherVersion(let version, let expected):
      "the job speaks version \(version) of the link's protocol, not \(expected): use the same program at both ends"
    }
  }
}
