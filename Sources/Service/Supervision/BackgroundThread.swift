import Glibc

/// A thread of its own for what blocks.
final class BackgroundThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let hasEnded: Monitor<Bool>

  /// Runs `body` with all signals blocked: they are for the main thread, and a pipe that nobody reads shows in `write`.
  init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SupervisionError) {
    let ended = Monitor(false)
    hasEnded = ended
    let start = Unmanaged.passRetained(
      Body {
        body()
        ended.change { $0 = true }
      })
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, start.toOpaque())
    guard error == 0 else {
      start.release()
      throw .system(call: "pthread_create", detail: name, errno: error)
    }
    pthread_detach(thread)
  }

  /// Waits for its end; false when that has not come within `limit`.
  @discardableResult
  func join(atMost limit: Duration) -> Bool { hasEnded.wait(atMost: limit) { $0 ? true : nil } ?? false }
}
