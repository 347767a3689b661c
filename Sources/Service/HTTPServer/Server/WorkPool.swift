import NIOPosix
import OpenAIProtocol
import Synchronization

/// A few threads for work in proportion to a request's size, which must not hold up the threads that serve connections.
final class WorkPool: Sendable {
  /// Jobs that may wait for a thread.
  static let waitingLimit = 1024

  private let threads: NIOThreadPool
  private let waiting = Mutex(0)
  /// Jobs that wait for a thread or have one.
  var jobCount: Int { waiting.withLock { $0 } }

  init(threadCount: Int) {
    threads = NIOThreadPool(numberOfThreads: max(1, threadCount))
    threads.start()
  }

  /// What `body` returns, from one of the threads. Throws a refusal when too much waits already.
  func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    let mayWait = waiting.withLock { waiting in
      guard waiting < Self.waitingLimit else { return false }
      waiting += 1
      return true
    }
    guard mayWait else { throw APIError.queueFull(limit: Self.waitingLimit, retryAfter: 1) }
    defer { waiting.withLock { $0 -= 1 } }
    return try await threads.runIfActive(body)
  }

  func stop() async { try? await threads.shutdownGracefully() }
}
