#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Runs parsing and rendering on a thread whose stack fits the depth limit, whatever stack the caller has left.
///
/// Both recurse as deeply as a template nests. On the caller's thread the depth they could be allowed would depend
/// on the build (debug frames are four times larger) and on the caller.
enum TemplateThread {
  /// Bytes of stack for one level of `TemplateLimits.depth`. The worst measured (a macro that calls itself, and
  /// brackets, which the parser allows a quarter as many of) takes 5 KiB in a debug build and 1.3 KiB in release.
  private static let byteCountPerLevel = 20 << 10

  /// The result of `body`, which runs while the caller waits.
  static func run<Output: Sendable>(
    depth: Int, _ body: @escaping @Sendable () throws(ChatTemplateError) -> Output
  ) throws(ChatTemplateError) -> Output {
    let job = Job(body)
    let (byteCount, overflow) = max(depth, 50).multipliedReportingOverflow(by: byteCountPerLevel)
    var attributes = pthread_attr_t()
    guard !overflow, pthread_attr_init(&attributes) == 0 else { throw .noThread(code: ENOMEM) }
    defer { pthread_attr_destroy(&attributes) }
    var code = pthread_attr_setstacksize(&attributes, byteCount)
    guard code == 0 else { throw .noThread(code: code) }
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    code = pthread_create(&thread, &attributes, entry, Unmanaged.passRetained(job as AnyJob).toOpaque())
    guard code == 0 else {
      Unmanaged.passUnretained(job as AnyJob).release()
      throw .noThread(code: code)
    }
    #if canImport(Darwin)
      if let thread { pthread_join(thread, nil) }
    #else
      pthread_join(thread, nil)
    #endif
    guard let result = job.result else { throw .noThread(code: EINVAL) }
    return try result.get()
  }

  #if canImport(Darwin)
    private static let entry: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { pointer in
      Unmanaged<AnyJob>.fromOpaque(pointer).takeRetainedValue().run()
      return nil
    }
  #else
    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { pointer in
      if let pointer { Unmanaged<AnyJob>.fromOpaque(pointer).takeRetainedValue().run() }
      return nil
    }
  #endif

  private class AnyJob {
    func run() {}
  }

  private final class Job<Output: Sendable>: AnyJob {
    private let body: @Sendable () throws(ChatTemplateError) -> Output
    /// Written by the thread, read after it has been joined.
    private(set) var result: Result<Output, ChatTemplateError>?

    init(_ body: @escaping @Sendable () throws(ChatTemplateError) -> Output) { self.body = body }

    override func run() {
      do throws(ChatTemplateError) { result = .success(try body()) } catch { result = .failure(error) }
    }
  }
}
