internal import Glibc

/// Threads of this process, each with a stack of 8 MiB.
enum FabricThread {
  private final class Job {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  /// Starts one, which must be joined.
  static func start(_ body: @escaping @Sendable () -> Void) -> Result<pthread_t, FabricError> {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 8 << 20)
    let job = Unmanaged.passRetained(Job(body))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, &attributes,
      { argument in
        Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, job.toOpaque())
    guard error == 0 else {
      job.release()
      return .failure(.threadStart(errno: error))
    }
    return .success(thread)
  }
}
