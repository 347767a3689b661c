import Synchronization
import Threads

/// Ranks as threads of one process: the whole protocol without MPI, for tests.
package enum LocalFabric {
  /// Sends up to this size are buffered; Open MPI's shared-memory transport has the same limit.
  package static let defaultEagerByteLimit = 4096

  /// Runs `body` once for each of `size` ranks, each on a thread of its own with a stack of 8 MiB, and returns the
  /// results by rank. Sends of up to `eagerByteLimit` bytes are complete at once.
  ///
  /// When a body throws, peers that wait are woken with `peerStopped`, and the first error is thrown here. Ranks that
  /// all wait for each other, end with requests under way, or leave messages unreceived, throw too: nothing hangs
  /// unless a body does.
  @discardableResult
  package static func run<T: Sendable>(
    size: Int, eagerByteLimit: Int = defaultEagerByteLimit,
    _ body: @escaping @Sendable (LocalCommunicator) throws -> T
  ) throws -> [T] {
    guard size >= 1 else { throw FabricError.noSuchRank(0, size: size) }
    let mailboxes = LocalMailboxes(size: size, eagerByteLimit: eagerByteLimit)
    let outcome = Outcome<T>(size: size)
    var threads: [BackgroundThread] = []
    for index in 0..<size {
      let rank = Rank(index)
      let work: @Sendable () -> Void = {
        let result = Result {
          let communicator = LocalCommunicator(rank: rank, mailboxes: mailboxes)
          let value = try body(communicator)
          try communicator.finalize()
          return value
        }
        outcome.record(result, of: rank)
        if case .failure = result { mailboxes.end(rank, failed: true) } else { mailboxes.end(rank, failed: false) }
      }
      do throws(ThreadError) {
        threads.append(try BackgroundThread("rank \(index)", work))
      } catch {
        outcome.record(.failure(FabricError.noThread(error)), of: rank)
        mailboxes.end(rank, failed: true)
      }
    }
    for thread in threads { thread.join() }
    let values = try outcome.values()
    if let (rank, count) = mailboxes.unreceived() { throw FabricError.unreceivedMessages(to: rank, count: count) }
    return values
  }
}

/// Results of all ranks, and the first error in time.
private final class Outcome<T: Sendable>: Sendable {
  private struct State: Sendable {
    var results: [T?]
    var firstError: (any Error)?
  }

  private let state: Mutex<State>

  init(size: Int) { state = Mutex(State(results: Array(repeating: nil, count: size))) }

  func record(_ result: Result<T, any Error>, of rank: Rank) {
    state.withLock {
      switch result {
      case .success(let value): $0.results[rank.index] = value
      case .failure(let error): $0.firstError = $0.firstError ?? error
      }
    }
  }

  func values() throws -> [T] {
    try state.withLock { state throws in
      if let error = state.firstError { throw error }
      return state.results.compactMap(\.self)
    }
  }
}
