import Threads

extension BackgroundThread {
  /// A thread of the supervisor's, or the error in its words.
  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SupervisionError) -> BackgroundThread
  {
    do throws(ThreadError) {
      return try BackgroundThread(name, body)
    } catch { throw .system(call: "pthread_create", detail: name, errno: error.code) }
  }
}
