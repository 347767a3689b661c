import Fabric

/// Why a message between ranks cannot be right: some rank runs another program or holds another model.
package enum ExpertParallelismError: Error, Equatable, CustomStringConvertible {
  case malformedDispatch(from: Rank, layer: Int, reason: String)
  case malformedCombine(from: Rank, layer: Int, bytes: Int, expected: Int)
  case messageTooLarge(tokens: Int, bytes: Int)
  case malformedSlices(from: Rank, bytes: Int, expected: Int)
  case slicesTooLarge(bytes: Int)

  package var description: String {
    switch self {
    case .malformedDispatch(let rank, let layer, let reason):
      """
      \(rank) sent a malformed dispatch message for layer \(layer): \(reason); check that all ranks run the same \
      program on the same files
      """
    case .malformedCombine(let rank, let layer, let bytes, let expected):
      """
      \(rank) returned \(bytes) bytes of expert outputs for layer \(layer) instead of \(expected); check that all \
      ranks run the same program on the same files
      """
    case .malformedSlices(let rank, let bytes, let expected):
      """
      \(rank) sent \(bytes) bytes of its slices instead of \(expected); check that all ranks run the same program \
      on the same files
      """
    case .slicesTooLarge(let bytes):
      """
      one rank's slices of a step make a message of \(bytes) bytes, over MPI's limit of 2 GiB; lower \
      --max-batch-tokens
      """
    case .messageTooLarge(let tokens, let bytes):
      "\(tokens) tokens make a message of \(bytes) bytes, over MPI's limit of 2 GiB; lower --max-batch-tokens"
    }
  }
}
