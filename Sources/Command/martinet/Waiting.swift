import Dispatch
import Synchronization

/// Runs `body` as a task and waits for it on this thread, which must not be one of the task pool's: the main one is
/// right.
func waiting<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) throws -> T {
  let box = ResultBox<T>()
  Task.detached {
    let result: Result<T, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    box.result.withLock { $0 = result }
    box.done.signal()
  }
  box.done.wait()
  guard let result = box.result.withLock({ $0 }) else { preconditionFailure("a task that has ended without a result") }
  return try result.get()
}

private final class ResultBox<T: Sendable>: Sendable {
  let result = Mutex<Result<T, any Error>?>(nil)
  let done = DispatchSemaphore(value: 0)
}
