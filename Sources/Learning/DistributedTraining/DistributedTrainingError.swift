import Fabric

/// Why a training cannot begin or go on.
package enum DistributedTrainingError: Error, Equatable, CustomStringConvertible {
  case ranksDisagree(String)
  /// A rank sees other data than rank 0.
  case otherData(rank: Int)
  /// A step's loss or gradient is no number, or a spike, and the training is to stop then.
  case badStep(step: Int, what: String)
  /// More steps were skipped in a row than allowed.
  case skippedTooMany(step: Int, count: Int, what: String)
  /// Numbers that no checkpoint shall have: `step` is 0 for those that the training begins with.
  case notFinite(step: Int, what: String)
  /// A sequence holds a token that a model beside the one in training has no embedding of.
  case unknownToken(Int, vocabularySize: Int)
  /// Sequences longer than what an indexer chooses, of which there is no backward pass; `most` tokens are trained.
  case choosesPositions(family: String, sequenceLength: Int, most: Int)
  /// A rank's part, the largest of what it consists of, and the rank's share of what its host has.
  case tooLittleMemory(needed: Int, parts: [String], available: Int, ranksOnHost: Int, recomputes: Bool)

  /// Whether all ranks throw an error together, so that they can go on to do something else together.
  package static func isCommon(_ error: any Error) -> Bool {
    switch error {
    case DistributedTrainingError.otherData, DistributedTrainingError.badStep: true
    case DistributedTrainingError.skippedTooMany, DistributedTrainingError.notFinite: true
    case DistributedTrainingError.choosesPositions: true
    case FabricError.peersFailed: true
    default: false
    }
  }

  /// The same as what all ranks say together, so that it is told once; itself where it is not common.
  package func shared(by communicator: any Communicator) -> any Error {
    guard Self.isCommon(self) else { return self }
    let ranks = (0..<communicator.size).map { Rank($0) }
    return FabricError.peersFailed([PeerFailure(ranks: ranks, message: description)])
  }

  package var description: String {
    switch self {
    case .ranksDisagree(let what):
      "the ranks of the training disagree about \(what): check that all run the same program, recipe and data"
    case .otherData(let rank):
      "rank \(rank) sees other data than rank 0: give all ranks the same files and options of data"
    case .badStep(let step, let what):
      """
      step \(step): \(what); nothing was changed by this step: go on from the last checkpoint with --resume \
      --on-bad-step skip, or begin with its weights (--model) and a lower learning rate
      """
    case .skippedTooMany(let step, let count, let what):
      """
      step \(step) would be skipped, too, after \(count) in a row: \(what); begin with the last checkpoint's \
      weights (--model) and a lower learning rate
      """
    case .notFinite(0, let what): "\(what) are not all finite numbers: nothing can be trained from there"
    case .notFinite(let step, let what):
      """
      after step \(step), \(what) are not all finite numbers: they were not saved, and the checkpoint before is \
      the last one; begin with its weights (--model) and a lower learning rate
      """
    case .unknownToken(let token, let size): "token \(token) is none of the teacher's, which has \(size)"
    case .choosesPositions(let family, let length, let most):
      """
      the family \(family) is trained on sequences of at most \(most) tokens, of which its attention sees all; of \
      \(length) tokens an indexer chooses what is seen, and there is no backward pass of that choice: lower \
      --sequence-length (of completions --max-new-tokens)
      """
    case .tooLittleMemory(let needed, let parts, let available, let ranks, let recomputes):
      """
      a rank of this training needs \(TrainingBudget.size(needed)) of memory (\(parts.joined(separator: ", "))), \
      and \(TrainingBudget.size(available)) are there for each of \(ranks == 1 ? "one rank" : "\(ranks) ranks") of \
      its host; use more hosts or fewer ranks on each, lower --batch-sequences or --sequence-length (of \
      completions --prompts-per-step, --group-size or \
      --max-new-tokens)\(recomputes ? "" : ", make activations anew with --recompute"), or try with \
      --ignore-memory-check
      """
    }
  }
}
