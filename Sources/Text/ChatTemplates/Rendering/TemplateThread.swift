import Synchronization
import Threads

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
    let (byteCount, overflow) = max(depth, 50).multipliedReportingOverflow(by: byteCountPerLevel)
    let result = Monitor<Result<Output, ChatTemplateError>?>(nil)
    do throws(ThreadError) {
      _ = try BackgroundThread("chat template", stackByteCount: overflow ? Int.max : byteCount) {
        let output = Result { () throws(ChatTemplateError) in try body() }
        result.change { $0 = output }
      }
    } catch { throw .noThread(error) }
    return try result.wait { $0 }.get()
  }
}
