/// Reads calls that are JSON objects: Hermes' between tags, Mistral's in an array, Llama's as the whole reply.
struct CallObjectsReader: CallReader {
  private enum Stage {
    /// Before Mistral's array.
    case array
    case object
    case afterObject
  }

  private let syntax: ToolCallFormat.Syntax
  private let names: Set<String>
  private let close = Marker("</tool_call>")
  private var stage: Stage
  private var scanner: CallObjectScanner
  private var callHasBegun = false
  private var hasCalls = false
  /// What was taken before the scanner began, and would be content if no call followed.
  private var raw: String

  init(_ syntax: ToolCallFormat.Syntax, tools: [ToolDefinition], raw: String) {
    self.syntax = syntax
    self.raw = raw
    names = Set(tools.map(\.name))
    stage = syntax == .mistral ? .array : .object
    scanner = Self.scanner(syntax, names)
  }

  private static func scanner(_ syntax: ToolCallFormat.Syntax, _ names: Set<String>) -> CallObjectScanner {
    let isUnmarked = syntax == .llama
    return CallObjectScanner(isUnmarked: isUnmarked) { isUnmarked ? names.contains($0) : !$0.isEmpty }
  }

  mutating func read(_ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .array: progress = readArray(&pending, atEnd: atEnd, into: &output)
      case .object: progress = readObject(&pending, atEnd: atEnd, into: &output)
      case .afterObject: progress = readAfterObject(&pending, atEnd: atEnd, into: &output)
      }
      if let progress { return progress }
    }
  }

  private mutating func readArray(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.isEmpty, !atEnd { return .needsMore }
    guard !pending.isEmpty, pending[0] == UInt8(ascii: "[") else {
      output.content(raw)
      return .failed
    }
    raw += pending.take(1)
    stage = .object
    return nil
  }

  private mutating func readObject(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    while !pending.isEmpty, !scanner.isAtEnd, !scanner.hasFailed { scanner.take(pending.next()) }
    if scanner.hasBegun {
      if !callHasBegun { output.beginCall(scanner.name ?? "") }
      (callHasBegun, hasCalls) = (true, true)
      output.arguments(scanner.takeArguments())
    }
    if scanner.isAtEnd {
      output.endCall(isClosed: true)
      (callHasBegun, raw, stage) = (false, "", .afterObject)
      scanner = Self.scanner(syntax, names)
      return nil
    }
    guard scanner.hasFailed || atEnd else { return .needsMore }
    let rest = String(decoding: scanner.raw, as: UTF8.self)
    if callHasBegun {
      output.endCall(isClosed: scanner.hasClosedArguments)
      if !rest.utf8.allSatisfy(isWhitespace) { output.content(rest) }
    } else {
      output.content(raw + rest)
    }
    return .failed
  }

  private mutating func readAfterObject(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.isEmpty { return atEnd ? .ended : .needsMore }
    switch (syntax, pending[0]) {
    case (.mistral, UInt8(ascii: ",")), (.llama, UInt8(ascii: ";")):
      raw += pending.take(1)
      stage = .object
      return nil
    case (.mistral, UInt8(ascii: "]")):
      pending.drop(1)
      return .ended
    case (.llama, UInt8(ascii: "{")):
      stage = .object
      return nil
    case (.hermes, _):
      let match = pending.begins(with: close)
      if match == .undecided, !atEnd { return .needsMore }
      if match == .yes {
        pending.drop(close.bytes.count)
        return .ended
      }
    default: break
    }
    output.content(raw)
    return .failed
  }
}
