import CPCRE2
import Foundation

/// The memory and the limits of matching during one call; not for use by two threads at once.
final class MatchScratch {
  /// Starting positions tried before the clock is read, at first; more while that turns out cheap.
  static let firstWindow = 64
  static let depthLimit: UInt32 = 1_000_000
  static let heapLimitKiB: UInt32 = 64 << 10

  /// The most starting positions between two readings of the clock: 2³² steps, a few seconds.
  let windowLimit: Int

  private let context: OpaquePointer
  private let stack: OpaquePointer?
  private let data: OpaquePointer
  private let offsets: UnsafeMutablePointer<Int>
  private let deadline: UInt64
  private let budget: Double
  private var lastReading: UInt64
  private var callCount = 0

  /// `byteCount` of text to match in: processor time may be 3 s and 3 µs a byte, some twenty times the usual.
  init(byteCount: Int) {
    guard let context = pcre2_match_context_create_8(nil), let data = pcre2_match_data_create_8(1, nil) else {
      preconditionFailure("no memory to match in")
    }
    (self.context, self.data) = (context, data)
    stack = pcre2_jit_stack_create_8(32 << 10, 4 << 20, nil)
    if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
    // Backtracking from one starting position may go over the whole text a few times: `\s*[\r\n]+` does, over
    // spaces without a newline.
    let stepLimit = min(100_000 + 4 * byteCount, 1 << 30)
    windowLimit = max(64, min(4096, (1 << 32) / stepLimit))
    pcre2_set_match_limit_8(context, UInt32(stepLimit))
    pcre2_set_depth_limit_8(context, Self.depthLimit)
    pcre2_set_heap_limit_8(context, Self.heapLimitKiB)
    offsets = pcre2_get_ovector_pointer_8(data)
    budget = 3 + 3e-6 * Double(byteCount)
    lastReading = Self.processorTime()
    deadline = lastReading + UInt64(budget * 1e9)
  }

  deinit {
    pcre2_match_data_free_8(data)
    pcre2_match_context_free_8(context)
    if let stack { pcre2_jit_stack_free_8(stack) }
  }

  var matchedRange: Range<Int> { offsets[0]..<max(offsets[0], offsets[1]) }

  func allowStarts(upTo offset: Int) { pcre2_set_offset_limit_8(context, offset) }

  func match(_ code: OpaquePointer, _ subject: UnsafePointer<UInt8>?, _ count: Int, _ start: Int) -> Int32 {
    let status = pcre2_match_8(code, subject, count, start, UInt32(PCRE2_NO_UTF_CHECK), data, context)
    guard status == PCRE2_ERROR_JIT_STACKLIMIT else { return status }
    // The interpreter keeps its backtracking points on the heap, up to the heap limit.
    return pcre2_match_8(code, subject, count, start, UInt32(PCRE2_NO_UTF_CHECK) | UInt32(PCRE2_NO_JIT), data, context)
  }

  /// Reads the clock at every 256th call only: most calls take less time than reading it.
  func countCall(pattern: String, byteCount: Int) throws(TokenizerError) {
    callCount += 1
    if callCount & 255 == 0 { _ = try checkBudget(pattern: pattern, byteCount: byteCount) }
  }

  /// Throws when the budget is spent; otherwise whether the time since the last reading was long.
  func checkBudget(pattern: String, byteCount: Int) throws(TokenizerError) -> Bool {
    let now = Self.processorTime()
    defer { lastReading = now }
    guard now <= deadline else {
      throw .matchingTooCostly(
        pattern: pattern, byteCount: byteCount, reason: "it took more than \(Int(budget)) s of processor time")
    }
    return now - lastReading > 20_000_000
  }

  private static func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
