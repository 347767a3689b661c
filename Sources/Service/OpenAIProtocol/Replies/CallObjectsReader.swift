/// Reads calls that are JSON objects: between tags, in an array, or as the whole reply, which may stand in a fence.
struct CallObjectsReader: CallReader {
  private enum Stage { case opening, object, afterObject }

  /// Nothing but their form and the functions' names says that these are calls.
  private let isUnmarked: Bool
  private let names: CallNames
  private let open = Marker("<tool_call>")
  private let close = Marker("</tool_call>")
  /// Other formats' beginnings of the next call.
  private let openers = [Marker("[TOOL_CALLS]"), Marker("<|python_tag|>")]
  private var stage = Stage.opening
  private var scanner: CallObjectScanner
  private var callHasBegun = false
  private var isInArray = false
  /// What was taken before the scanner began, and would be content if no call followed.
  private var raw: String

  init(isUnmarked: Bool, tools: [ToolDefinition], raw: String) {
    self.isUnmarked = isUnmarked
    self.raw = raw
    names = CallNames(tools)
    scanner = CallObjectScanner(isUnmarked: isUnmarked, names: names)
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .opening: progress = readOpening(&pending, into: &output)
      case .object: progress = readObject(&pending, into: &output)
      case .afterObject: progress = readAfterObject(&pending, into: &output)
      }
      if let progress { return progress }
    }
  }

  /// Whitespace, a fence with its language, and an array's bracket.
  private mutating func readOpening(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.isEmpty {
      guard pending.hasEnded else { return .needsMore }
      // A beginning without a call, after calls, is one too many.
      return output.callCount > 0 ? .ended : fail(&output)
    }
    switch pending[0] {
    case UInt8(ascii: "{"):
      stage = .object
      return nil
    case UInt8(ascii: "[") where !isInArray:
      raw += pending.take(1)
      isInArray = true
      return nil
    case UInt8(ascii: "`"):
      var length = 0
      while length < pending.count, pending[length] == UInt8(ascii: "`") { length += 1 }
      while length < min(pending.count, 16), pending[length] | 0x20 >= 0x61, pending[length] | 0x20 <= 0x7A {
        length += 1
      }
      if length == pending.count, !pending.hasEnded { return .needsMore }
      raw += pending.take(length)
      return nil
    case UInt8(ascii: "<"):
      // The beginning, twice.
      let matches = openers.map { pending.begins(with: $0) }
      if matches.contains(.undecided), !pending.hasEnded { return .needsMore }
      guard let found = matches.firstIndex(of: .yes) else { return fail(&output) }
      raw += pending.take(openers[found].bytes.count)
      return nil
    default: return fail(&output)
    }
  }

  private func fail(_ output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }

  private mutating func readObject(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    while !pending.isEmpty, !scanner.isAtEnd, !scanner.hasFailed {
      if pending[0] == UInt8(ascii: "<") {
        switch closes(pending) {
        case .undecided:
          giveOut(&output)
          return .needsMore
        case .yes:
          scanner.finish(closing: true)
          continue
        case .no: break
        }
      }
      scanner.take(pending.next())
    }
    if pending.hasEnded, !scanner.isAtEnd, !scanner.hasFailed { scanner.finish(closing: !output.isCutOff) }
    giveOut(&output)
    if scanner.isAtEnd, scanner.hasBegun {
      output.endCall(isClosed: true)
      (callHasBegun, raw, stage) = (false, "", .afterObject)
      scanner = CallObjectScanner(isUnmarked: isUnmarked, names: names)
      return nil
    }
    guard scanner.hasFailed || pending.hasEnded else { return .needsMore }
    let rest = String(decoding: scanner.raw, as: UTF8.self)
    if callHasBegun {
      output.endCall(isClosed: scanner.hasClosedArguments)
      if !rest.utf8.allSatisfy(isWhitespace) { output.content(rest) }
    } else {
      output.content(raw + rest)
    }
    return .failed
  }

  private mutating func giveOut(_ output: inout ReplyOutput) {
    guard scanner.hasBegun else { return }
    if !callHasBegun { output.beginCall(scanner.name ?? "") }
    callHasBegun = true
    output.arguments(scanner.takeArguments())
  }

  /// Whether the tag that closes a call is next, before its object has ended. Inside a string, it is text unless the
  /// reply ends after it, or another call begins.
  private func closes(_ pending: PendingText) -> PendingText.Match {
    let match = pending.begins(with: close)
    if match == .undecided, pending.hasEnded { return .no }
    guard match == .yes, scanner.isInString else { return match }
    var rest = pending
    rest.drop(close.bytes.count)
    _ = rest.takeWhitespace()
    if rest.isEmpty { return pending.hasEnded ? .yes : .undecided }
    let opens = rest.begins(with: open)
    return opens == .undecided && pending.hasEnded ? .no : opens
  }

  /// Skips what is one too many: braces, brackets, fences.
  private mutating func readAfterObject(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.isEmpty { return pending.hasEnded ? .ended : .needsMore }
    switch pending[0] {
    case UInt8(ascii: "{"), UInt8(ascii: ","), UInt8(ascii: ";"):
      if pending[0] != UInt8(ascii: "{") { raw += pending.take(1) }
      stage = .opening
      return nil
    case UInt8(ascii: "]") where isInArray && !isUnmarked: isInArray = false
    case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: "`"): break
    default:
      for marker in [close, open] + openers {
        let match = pending.begins(with: marker)
        if match == .undecided, !pending.hasEnded { return .needsMore }
        // The end's beginning alone is where the reply was cut.
        if match == .yes || match == .undecided && marker == close && pending.count > 1 {
          if marker == close { pending.drop(min(marker.bytes.count, pending.count)) }
          return .ended
        }
      }
      output.content(raw)
      return .failed
    }
    pending.drop(1)
    return nil
  }
}
