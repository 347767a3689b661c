internal import Glibc

/// A thread of its own for what blocks, or must go on while others compute.
///
/// All signals are blocked on it: they are for the main thread, and a pipe that nobody reads shows in `write`. It ends
/// with its body; nobody must join it.
package final class BackgroundThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Bytes of stack, whatever the limit of the shell says.
  package static let stackByteCount = 8 << 20

  private let hasEnded: Monitor<Bool>

  /// Starts `body` with `stackByteCount` bytes of stack; `name` is for the error.
  package init(
    _ name: String, stackByteCount: Int = BackgroundThread.stackByteCount, _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) {
    let ended = Monitor(false)
    hasEnded = ended
    let start = Unmanaged.passRetained(
      Body {
        body()
        ended.change { $0 = true }
      })
    var isStarted = false
    defer { if !isStarted { start.release() } }
    var attributes = pthread_attr_t()
    try ThreadError.check(pthread_attr_init(&attributes), name)
    defer { pthread_attr_destroy(&attributes) }
    try ThreadError.check(pthread_attr_setstacksize(&attributes, stackByteCount), name)
    try ThreadError.check(pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED)), name)
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, start.toOpaque())
    try ThreadError.check(code, name)
    isStarted = true
  }

  /// Waits for its end.
  package func join() { hasEnded.wait { $0 ? true : nil } }

  /// Waits for its end; false when that has not come within `limit`.
  @discardableResult
  package func join(atMost limit: Duration) -> Bool { hasEnded.wait(atMost: limit) { $0 ? true : nil } ?? false }
}
