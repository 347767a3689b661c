/// Why a projection cannot be made.
package enum ProjectionError: Error, Equatable, CustomStringConvertible {
  case malformedRouting(path: String, reason: String)
  case malformedReport(path: String, reason: String)
  case malformedNetwork(path: String, reason: String)
  case unknownNetwork(String, known: [String])
  case nothingMeasured(path: String, reason: String)
  case mismatchedRouting(path: String, reason: String)

  package var description: String {
    switch self {
    case .malformedRouting(let path, let reason):
      "\(path) is no record of routing: \(reason); write it anew with --record-routing"
    case .malformedReport(let path, let reason): "\(path) is no report: \(reason); write it anew with --report-json"
    case .malformedNetwork(let path, let reason):
      "\(path) describes no network: \(reason); benchmarks/projection.md says what it needs"
    case .unknownNetwork(let name, let known):
      "there is no network called \(name); use \(known.joined(separator: ", ")), or the path of a JSON file"
    case .nothingMeasured(let path, let reason): "nothing can be projected from \(path): \(reason)"
    case .mismatchedRouting(let path, let reason): "\(path) does not fit the report: \(reason)"
    }
  }
}
