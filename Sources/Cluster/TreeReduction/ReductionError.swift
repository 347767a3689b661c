import Fabric

/// Why values cannot be added up over the ranks.
package enum ReductionError: Error, Equatable, CustomStringConvertible {
  /// A rank must add its own leaves in ascending order, each once.
  case leafOutOfOrder(Int, expected: Int?)
  case leafMissing(Int, rank: Rank)
  /// A leaf of a rank that there is not.
  case noSuchOwner(Rank, leaf: Int, size: Int)
  /// Slices must follow each other from 0 to the end, one for each rank.
  case badSlices(count: Int, ranks: Int)
  /// Memory of another size than the slice or the value it is for.
  case wrongCount(Int, expected: Int)
  /// The ranks have other ideas of leaves, owners or slices.
  case ranksDisagree
  /// Sums of a step that failed were begun, and nobody knows which of their messages the other ranks have sent.
  case othersUnderWay

  package var description: String {
    switch self {
    case .leafOutOfOrder(let leaf, let expected):
      """
      leaf \(leaf) was added where \(expected.map { "leaf \($0)" } ?? "none") is next: add a rank's own leaves in \
      ascending order, each once
      """
    case .leafMissing(let leaf, let rank):
      "\(rank) has not added its leaf \(leaf): add all of them before the reduction"
    case .noSuchOwner(let rank, let leaf, let size): "leaf \(leaf) belongs to \(rank), and there are \(size) ranks"
    case .badSlices(let count, let ranks):
      "the slices do not cut \(count) numbers into one run for each of \(ranks) ranks, in their order"
    case .wrongCount(let count, let expected):
      "a reduction was given memory for \(count) numbers instead of \(expected)"
    case .ranksDisagree:
      """
      the ranks of a reduction disagree about leaves, their owners, or slices; check that all run the same program \
      and recipe
      """
    case .othersUnderWay:
      "sums of a step that failed are under way still: start the run again from its last checkpoint"
    }
  }
}
