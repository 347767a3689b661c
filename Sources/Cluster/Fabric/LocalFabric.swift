internal import Glibc

/// Ranks as threads of one process: the whole protocol without MPI, for tests.
package enum LocalFabric {
  /// Sends up to this size are buffered; Open MPI's shared-memory transport has the same limit.
  package static let defaultEagerByteLimit = 4096

  /// Runs `body` once per rank, each on a thread of its own with a stack of 8 MiB, and returns the results by rank.
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
    var threads: [pthread_t] = []
    for index in 0..<size {
      let rank = Rank(index)
      let thread = FabricThread.start {
        let result = Result {
          let communicator = LocalCommunicator(rank: rank, mailboxes: mailboxes)
          let value = try body(communicator)
          try communicator.finalize()
          return value
        }
        outcome.record(result, of: rank)
        if case .failure = result { mailboxes.end(rank, failed: true) } else { mailboxes.end(rank, failed: false) }
      }
      switch thread {
      case .success(let thread): threads.append(thread)
      case .failure(let error):
        outcome.record(.failure(error), of: rank)
        mailboxes.end(rank, failed: true)
      }
    }
    for thread in threads { pthread_join(thread, nil) }
    let values = try outcome.values()
    if let (rank, count) = mailboxes.unreceived() { throw FabricError.unreceivedMessages(to: rank, count: count) }
    return values
  }
}

/// Results of all ranks, and the first error in time.
private final class Outcome<T: Sendable>: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var results: [T?]
  private var firstError: (any Error)?

  init(size: Int) {
    pthread_mutex_init(lock, nil)
    results = Array(repeating: nil, count: size)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  func record(_ result: Result<T, any Error>, of rank: Rank) {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    switch result {
    case .success(let value): results[rank.index] = value
    case .failure(let error): firstError = firstError ?? error
    }
  }

  func values() throws -> [T] {
    if let firstError { throw firstError }
    return results.compactMap(\.self)
  }
}
