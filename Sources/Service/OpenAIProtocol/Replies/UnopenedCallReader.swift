/// Reads a call that is a JSON object after other text, without the tag that should have opened it: the tag that closes
/// it is what says that it was a call, so that nothing is given out before.
struct UnopenedCallReader: CallReader {
  private let names: CallNames
  private let close = Marker("</tool_call>")
  private var scanner: CallObjectScanner
  /// Bytes of the pending text that the scanner has.
  private var scanned = 0
  private let raw: String
  /// Bytes of an object that is waited for.
  private static let limit = 1 << 16

  init(tools: [ToolDefinition], raw: String) {
    names = CallNames(tools)
    scanner = CallObjectScanner(isUnmarked: true, names: names)
    self.raw = raw
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while scanned < min(pending.count, Self.limit), !scanner.isAtEnd, !scanner.hasFailed {
      scanner.take(pending[scanned])
      scanned += 1
    }
    guard scanner.isAtEnd else {
      return pending.hasEnded || scanner.hasFailed || scanned == Self.limit ? fail(&pending, &output) : .needsMore
    }
    var rest = pending
    rest.drop(scanned)
    while !rest.isEmpty, isWhitespace(rest[0]) || rest[0] == UInt8(ascii: "}") { rest.drop(1) }
    switch rest.begins(with: close) {
    case .undecided where !pending.hasEnded: return .needsMore
    case .yes:
      rest.drop(close.bytes.count)
      pending = rest
      output.beginCall(scanner.name ?? "")
      output.arguments(scanner.takeArguments())
      output.endCall(isClosed: true)
      return .ended
    default: return fail(&pending, &output)
    }
  }

  /// Its first character goes out as text, so that it is not met again.
  private func fail(_ pending: inout PendingText, _ output: inout ReplyOutput) -> CallProgress {
    output.content(raw + pending.takeCharacter())
    return .failed
  }
}
