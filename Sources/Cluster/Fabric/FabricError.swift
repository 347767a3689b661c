import Threads

/// Why ranks could not talk, with the call, the peer and the sizes concerned.
package enum FabricError: Error, Equatable, CustomStringConvertible {
  /// A call to the MPI library failed; `message` is the library's own text.
  case mpi(call: String, code: Int32, message: String)
  /// The launcher started several tasks, but each sees itself alone.
  case launchedApart(launcher: String, taskCount: Int)
  case threadsNotSupported(provided: Int32)
  case noSuchRank(Int, size: Int)
  case invalidTag(Int32)
  case messageTooLarge(byteCount: Int, limit: Int)
  /// A message was longer than the memory given for it.
  case messageTruncated(from: Rank, tag: MessageTag, capacity: Int)
  /// A handle was waited for twice, or belongs to another communicator.
  case unknownRequest
  /// A rank left while it had messages under way.
  case unfinishedRequests(rank: Rank, count: Int)
  /// Messages were sent that nobody received.
  case unreceivedMessages(to: Rank, count: Int)
  /// A request did not complete within the communicator's stall limit.
  case stalled(waiting: String, limit: Duration)
  /// Every rank waits for another: no message can ever arrive.
  case deadlock(rank: Rank, waiting: String)
  /// Another rank failed, so this one cannot go on.
  case peerStopped(Rank)
  /// Some ranks failed at a step that all take together.
  case peersFailed([PeerFailure])
  /// A peer's message is not what the protocol says.
  case malformedMessage(from: Rank, reason: String)
  case mismatchedCounts(call: String)
  case noThread(ThreadError)

  package var description: String {
    switch self {
    case .mpi(let call, let code, let message):
      "\(call) failed: \(message) (MPI error \(code))"
    case .launchedApart(let launcher, let count):
      "\(launcher) started \(count) tasks, but MPI gave this one no peers; use mpirun, or srun --mpi=pmix"
    case .threadsNotSupported(let provided):
      "the MPI library offers only thread level \(provided); MPI_THREAD_FUNNELED is needed"
    case .noSuchRank(let rank, let size):
      "rank \(rank) does not exist among \(size) ranks"
    case .invalidTag(let tag):
      "message tag \(tag) is outside 0...\(MessageTag.limit)"
    case .messageTooLarge(let count, let limit):
      "a message of \(count) bytes is over the limit of \(limit); send it in parts"
    case .messageTruncated(let rank, let tag, let capacity):
      "a message from \(rank) with \(tag) is longer than the \(capacity) bytes expected"
    case .unknownRequest:
      "a request was waited for that is not under way; wait for each request once"
    case .unfinishedRequests(let rank, let count):
      "\(rank) ended with \(count) sends or receives under way; wait for every request"
    case .unreceivedMessages(let rank, let count):
      "\(count) messages to \(rank) were never received"
    case .stalled(let waiting, let limit):
      "no progress for \(limit) in \(waiting); a peer is stuck, very slow or gone"
    case .deadlock(let rank, let waiting):
      "\(rank) waits in \(waiting), and every other rank waits too: no message can arrive"
    case .peerStopped(let rank):
      "\(rank) failed, so its peers stopped"
    case .peersFailed(let failures):
      failures.map(\.description).joined(separator: "\n")
    case .malformedMessage(let rank, let reason):
      "a message from \(rank) is malformed: \(reason)"
    case .mismatchedCounts(let call):
      "the ranks called \(call) with different counts"
    case .noThread(let error): error.description
    }
  }
}

/// One failure, and the ranks that all had it.
package struct PeerFailure: Hashable, Sendable, CustomStringConvertible {
  /// Ascending, never empty.
  package let ranks: [Rank]
  package let message: String

  package init(ranks: [Rank], message: String) {
    self.ranks = ranks
    self.message = message
  }

  package var description: String {
    switch ranks.count {
    case 0: message
    case 1: "\(ranks[0]): \(message)"
    default: "\(ranks.count) ranks, first \(ranks[0]): \(message)"
    }
  }
}
