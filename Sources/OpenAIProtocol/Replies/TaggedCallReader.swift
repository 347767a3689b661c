import JSON

/// Reads GLM's calls: a name, then keys and values between tags. What it gives out are the arguments as JSON.
struct TaggedCallReader: CallReader {
  private enum Stage {
    case name
    /// Before a key, or the call's end.
    case member
    case key
    /// Between a key and its value.
    case afterKey
    case value(isText: Bool)
    /// The arguments as one JSON object, which is how forced calls have them.
    case object
  }

  private let tools: [ToolDefinition]
  private let keyOpen = Marker("<arg_key>")
  private let keyClose = Marker("</arg_key>")
  private let valueOpen = Marker("<arg_value>")
  private let valueClose = Marker("</arg_value>")
  private let close = Marker("</tool_call>")
  private var stage = Stage.name
  private var properties: JSONValue?
  private var key = ""
  private var memberCount = 0
  /// Bytes of a value that are known not to hold its end.
  private var searched = 0
  /// What was taken since the call or the member began, and would be content if it broke off.
  private var raw: String

  init(tools: [ToolDefinition], raw: String) {
    self.tools = tools
    self.raw = raw
  }

  mutating func read(_ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .name: progress = readName(&pending, atEnd: atEnd, into: &output)
      case .member: progress = readMember(&pending, atEnd: atEnd, into: &output)
      case .key: progress = readKey(&pending, atEnd: atEnd, into: &output)
      case .afterKey: progress = readAfterKey(&pending, atEnd: atEnd, into: &output)
      case .value(let isText): progress = readValue(isText, &pending, atEnd: atEnd, into: &output)
      case .object: progress = readObject(&pending, atEnd: atEnd, into: &output)
      }
      if let progress { return progress }
    }
  }

  private mutating func readName(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    let lineBreak = Marker("\n")
    // A line break may come before the name.
    raw += pending.takeWhitespace()
    guard let (marker, offset) = pending.first(of: [lineBreak, keyOpen, close]), offset <= longestCallHead else {
      return !pending.exceedsCallHead && !atEnd ? .needsMore : fail(&output)
    }
    var rest = pending
    let name = SectionReader.trimmed(rest.take(offset))
    if marker == lineBreak {
      _ = rest.takeWhitespace()
      if pending.count - rest.count > 2 * longestCallHead { return fail(&output) }
      if rest.isEmpty, !atEnd { return .needsMore }
    }
    let follows = [keyOpen, close].map { rest.begins(with: $0) }
    let isObject = !rest.isEmpty && rest[0] == UInt8(ascii: "{")
    if !follows.contains(.yes), follows.contains(.undecided), !atEnd { return .needsMore }
    guard !name.isEmpty, isObject || follows.contains(.yes) else { return fail(&output) }
    pending = rest
    raw = ""
    output.beginCall(name)
    properties = tools.first { $0.name == name }?.parameters["properties"]
    if isObject { stage = .object } else { (stage, memberCount) = (.member, 0) }
    return nil
  }

  private func fail(_ output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }

  private mutating func readMember(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.begins(with: keyOpen) == .yes {
      raw += pending.take(keyOpen.bytes.count)
      stage = .key
      return nil
    }
    if pending.begins(with: close) == .yes {
      pending.drop(close.bytes.count)
      closeArguments(isClosed: true, into: &output)
      return .ended
    }
    let isUndecided = pending.begins(with: keyOpen) == .undecided || pending.begins(with: close) == .undecided
    if isUndecided, !atEnd { return .needsMore }
    return breakOff(atEnd: atEnd, into: &output)
  }

  private mutating func readKey(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    guard let (marker, offset) = pending.first(of: [keyClose, valueOpen, close]) else {
      return !pending.exceedsCallHead && !atEnd ? .needsMore : breakOff(atEnd: atEnd, into: &output)
    }
    guard marker == keyClose, offset <= longestCallHead else { return breakOff(atEnd: atEnd, into: &output) }
    key = SectionReader.trimmed(pending.prefix(offset))
    raw += pending.take(offset + marker.bytes.count)
    stage = .afterKey
    return nil
  }

  private mutating func readAfterKey(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    raw += pending.takeWhitespace()
    switch pending.begins(with: valueOpen) {
    case .undecided where !atEnd: return .needsMore
    case .yes: break
    default: return breakOff(atEnd: atEnd, into: &output)
    }
    pending.drop(valueOpen.bytes.count)
    raw = ""
    output.arguments((memberCount == 0 ? "{" : ", ") + JSONValue.string(key).text() + ": ")
    memberCount += 1
    let isText = Self.isText(properties?[key]?["type"])
    if isText { output.arguments("\"") }
    stage = .value(isText: isText)
    return nil
  }

  private mutating func readValue(
    _ isText: Bool, _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    guard let (marker, offset) = pending.first(of: [valueClose], from: searched) else {
      guard isText || atEnd else {
        searched = pending.certain(before: [valueClose])
        return .needsMore
      }
      let text = pending.take(atEnd ? pending.count : pending.certain(before: [valueClose]))
      output.arguments(isText ? Self.escaped(text) : text)
      guard atEnd else { return .needsMore }
      output.endCall(isClosed: false)
      return .ended
    }
    let text = pending.take(offset)
    pending.drop(marker.bytes.count)
    searched = 0
    if isText {
      output.arguments(Self.escaped(text) + "\"")
    } else {
      let value = try? JSONValue(parsing: text, limits: JSONLimits(depth: 60))
      output.arguments(value == nil ? JSONValue.string(text).text() : SectionReader.trimmed(text))
    }
    stage = .member
    return nil
  }

  private mutating func readObject(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    let ends = [Marker("\n" + close.text), close]
    if let (marker, offset) = pending.first(of: ends) {
      output.arguments(pending.take(offset))
      pending.drop(marker.bytes.count)
      output.endCall(isClosed: true)
      return .ended
    }
    output.arguments(pending.take(atEnd ? pending.count : pending.certain(before: ends)))
    guard atEnd else { return .needsMore }
    output.endCall(isClosed: false)
    return .ended
  }

  /// Ends a call in which something else follows than should.
  private mutating func breakOff(atEnd: Bool, into output: inout ReplyOutput) -> CallProgress {
    if atEnd { output.endCall(isClosed: false) } else { closeArguments(isClosed: false, into: &output) }
    if !raw.utf8.allSatisfy(isWhitespace) { output.content(raw) }
    return .failed
  }

  private func closeArguments(isClosed: Bool, into output: inout ReplyOutput) {
    output.arguments(memberCount == 0 ? "{}" : "}")
    output.endCall(isClosed: isClosed)
  }

  /// A value of this type is text, and needs no quotes; of other types it is JSON, or text after all.
  private static func isText(_ type: JSONValue?) -> Bool {
    type == "string" || type?.array?.contains("string") == true
  }

  private static func escaped(_ text: String) -> String { String(JSONValue.string(text).text().dropFirst().dropLast()) }
}
