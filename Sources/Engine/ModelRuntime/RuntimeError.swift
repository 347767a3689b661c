import ExpertParallelism
import Fabric

/// Why ranks cannot set up, load a model, or follow rank 0, and what to do.
package enum RuntimeError: Error, Equatable, CustomStringConvertible {
  case tooManyThreads(Int, cores: Int, limit: Int)
  /// Ranks read parts of a tensor that do not add up to what was recorded of it.
  case partsDiffer(tensor: String, file: String, found: String, recorded: String)
  case malformedCommand(String)
  case malformedAccount(Rank, String)
  /// A model to be loaded in place of another has other sizes.
  case otherShape(found: String, expected: String)
  case tooManyExperts(Int, ranksOnHost: Int)
  /// Experts cannot go where they were to go; nothing has changed.
  case cannotMove(String)
  /// Ranks are to share out a model that is not divided.
  case notSliceable(String)

  package var description: String {
    switch self {
    case .tooManyThreads(let threads, let cores, let limit):
      "--threads \(threads) is too many for \(cores) cores; give at most \(limit), or leave it out for one on each core"
    case .partsDiffer(let tensor, let file, let found, let recorded):
      """
      the ranks' parts of tensor \(tensor) in \(file) have the sum \(found) together, and \(recorded) was \
      recorded: a host's copy is damaged or of another checkpoint; --check-weights tells which
      """
    case .malformedCommand(let reason):
      "rank 0 sent a malformed command: \(reason); check that all ranks run the same program"
    case .malformedAccount(let rank, let reason):
      "\(rank) sent a malformed account: \(reason); check that all ranks run the same program"
    case .otherShape(let found, let expected):
      "the model to be loaded has \(found), and this run was started for \(expected); start a run of its own for it"
    case .tooManyExperts(let experts, let ranks):
      """
      messages between ranks have room for \(PlacementLimits.experts) experts a layer and \
      \(PlacementLimits.ranksOnHost) ranks a host, not for \(experts) and \(ranks): start fewer ranks a host
      """
    case .notSliceable(let reason):
      "--layout sliced does not go with this run: \(reason); leave it out, or give --layout auto"
    case .cannotMove(let reason): "experts stay where they are: \(reason)"
    }
  }
}
