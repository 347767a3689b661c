/// Why a training cannot begin or go on, apart from its data and files, which have errors of their own.
package enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// An option's value that cannot be used: what it is, the value, what to do.
  case badOption(String, String, String)

  package var description: String {
    switch self {
    case .badOption(let what, let value, let remedy): "\(what) is \(value); \(remedy)"
    }
  }
}
