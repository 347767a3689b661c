/// Why a training cannot begin or go on.
package enum PretrainingError: Error, Equatable, CustomStringConvertible {
  case ranksDisagree(String)
  /// A step's loss or gradient is no number.
  case notFinite(step: Int, what: String)

  package var description: String {
    switch self {
    case .ranksDisagree(let what):
      "the ranks of the training disagree about \(what): check that all run the same program, recipe and data"
    case .notFinite(let step, let what):
      "step \(step): \(what) is no finite number; nothing was changed by this step: go on from the last checkpoint with a lower learning rate, or clip gradients"
    }
  }
}
