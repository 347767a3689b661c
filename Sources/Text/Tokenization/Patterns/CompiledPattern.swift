import CPCRE2

/// A regular expression compiled for PCRE2, just in time where the machine can; immutable, so threads may share it.
final class CompiledPattern: @unchecked Sendable {
  let source: String
  private let code: OpaquePointer

  /// Compiles `source`, written in Oniguruma's syntax; `field` names it in errors.
  convenience init(source: String, field: String) throws(TokenizerError) {
    let translated: String
    do throws(PatternError) {
      translated = try PatternTranslator.translate(source)
    } catch {
      throw .malformedPattern(field: field, reason: error.reason, offset: error.offset)
    }
    try self.init(translated: translated, source: source, field: field)
  }

  /// Compiles `translated`, written in PCRE2's syntax.
  init(translated: String, source: String, field: String) throws(TokenizerError) {
    self.source = source
    guard let context = pcre2_compile_context_create_8(nil) else {
      throw .malformedPattern(field: field, reason: "out of memory", offset: 0)
    }
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    var status: Int32 = 0
    var offset = 0
    var copy = translated
    let options =
      UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_NEVER_BACKSLASH_C)
      | UInt32(PCRE2_USE_OFFSET_LIMIT)
    let code = copy.withUTF8 {
      pcre2_compile_8($0.baseAddress ?? UnsafePointer(bitPattern: 1), $0.count, options, &status, &offset, context)
    }
    guard let code else { throw .malformedPattern(field: field, reason: Self.message(status), offset: offset) }
    // Without a JIT (a hardened kernel, another machine) matching is slower, with the same result.
    _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
    self.code = code
  }

  deinit { pcre2_code_free_8(code) }

  private static func message(_ status: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    let length = pcre2_get_error_message_8(status, &buffer, buffer.count)
    return length > 0 ? String(decoding: buffer[0..<Int(length)], as: UTF8.self) : "error \(status)"
  }

  /// Calls `body` with every match in `text` (well-formed UTF-8), from left to right.
  ///
  /// An empty match directly after another match is passed over, as the reference's iterator does. Throws when a
  /// match costs more than `MatchScratch` allows.
  func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, scratch: MatchScratch, _ body: (Range<Int>) -> Void
  ) throws(TokenizerError) {
    var from = 0
    var lastEnd = -1
    while from <= text.count, let match = try firstMatch(in: text, from: from, scratch: scratch) {
      if match.isEmpty, match.upperBound == lastEnd {
        guard from < text.count else { return }
        from += 1
        while from < text.count, text[from] & 0xC0 == 0x80 { from += 1 }
        continue
      }
      from = match.upperBound
      lastEnd = match.upperBound
      body(match)
    }
  }

  /// The first match that begins at `from` or later.
  ///
  /// PCRE2's limits hold for one starting position only; a pattern can be quadratic over many. So the start may
  /// advance a window at a time, and between windows the time spent is compared with the budget.
  private func firstMatch(
    in text: UnsafeBufferPointer<UInt8>, from: Int, scratch: MatchScratch
  ) throws(TokenizerError) -> Range<Int>? {
    let subject = text.baseAddress ?? UnsafePointer(bitPattern: 1)
    try scratch.countCall(pattern: source, byteCount: text.count)
    var start = from
    var window = min(MatchScratch.firstWindow, scratch.windowLimit)
    while true {
      let lastStart = window < text.count - start ? start + window : text.count
      scratch.allowStarts(upTo: lastStart)
      let status = scratch.match(code, subject, text.count, start)
      if status >= 0 { return scratch.matchedRange }
      guard status == PCRE2_ERROR_NOMATCH else {
        throw .matchingTooCostly(pattern: source, byteCount: text.count, reason: Self.message(status))
      }
      guard lastStart < text.count else { return nil }
      let isSlow = try scratch.checkBudget(pattern: source, byteCount: text.count)
      window = isSlow ? MatchScratch.firstWindow : min(window * 4, scratch.windowLimit)
      start = lastStart + 1
      while start < text.count, text[start] & 0xC0 == 0x80 { start += 1 }
    }
  }
}
