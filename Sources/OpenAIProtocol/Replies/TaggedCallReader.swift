import JSON

/// Reads GLM's and Qwen's coders' calls: a name, then keys and values between tags. What it gives out are the arguments
/// as JSON.
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
    /// After the call's own end, before that of what it stands in.
    case outerClose
  }

  private let tools: [ToolDefinition]
  private let tags: CallTags
  private var stage = Stage.name
  private var properties: JSONValue?
  private var key = ""
  private var memberCount = 0
  /// Bytes of a value that are known not to hold its end.
  private var searched = 0
  /// What was taken since the call or the member began, and would be content if it broke off.
  private var raw: String

  init(_ tags: CallTags, tools: [ToolDefinition], raw: String) {
    self.tags = tags
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
      case .outerClose: progress = readOuterClose(&pending, atEnd: atEnd)
      }
      if let progress { return progress }
    }
  }

  private mutating func readName(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    // A line break may come before the name.
    raw += pending.takeWhitespace()
    var rest = pending
    if let nameOpen = tags.nameOpen {
      switch rest.begins(with: nameOpen) {
      case .undecided where !atEnd: return .needsMore
      case .yes: rest.drop(nameOpen.bytes.count)
      default: return fail(&output)
      }
    }
    guard let (marker, offset) = rest.first(of: [tags.nameClose, tags.keyOpen, tags.close]),
      offset <= longestCallHead
    else { return !rest.exceedsCallHead && !atEnd ? .needsMore : fail(&output) }
    let name = SectionReader.trimmed(rest.take(offset))
    if marker == tags.nameClose {
      rest.drop(marker.bytes.count)
      _ = rest.takeWhitespace()
      if pending.count - rest.count > 2 * longestCallHead { return fail(&output) }
      if rest.isEmpty, !atEnd { return .needsMore }
    }
    let follows = [tags.keyOpen, tags.close].map { rest.begins(with: $0) }
    let isObject = !rest.isEmpty && rest[0] == UInt8(ascii: "{")
    if !follows.contains(.yes), follows.contains(.undecided), !atEnd { return .needsMore }
    let isNamed = !name.isEmpty && (marker == tags.nameClose || tags.nameOpen == nil)
    guard isNamed, isObject || follows.contains(.yes) else { return fail(&output) }
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
    let (isKey, isClose) = (pending.begins(with: tags.keyOpen), pending.begins(with: tags.close))
    if isKey == .yes {
      raw += pending.take(tags.keyOpen.bytes.count)
      stage = .key
      return nil
    }
    if isClose == .yes {
      pending.drop(tags.close.bytes.count)
      closeArguments(isClosed: true, into: &output)
      stage = .outerClose
      return nil
    }
    if isKey == .undecided || isClose == .undecided, !atEnd { return .needsMore }
    return breakOff(atEnd: atEnd, into: &output)
  }

  private mutating func readKey(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    guard let (marker, offset) = pending.first(of: [tags.keyClose, tags.close]) else {
      return !pending.exceedsCallHead && !atEnd ? .needsMore : breakOff(atEnd: atEnd, into: &output)
    }
    guard marker == tags.keyClose, offset <= longestCallHead else { return breakOff(atEnd: atEnd, into: &output) }
    key = SectionReader.trimmed(pending.prefix(offset))
    raw += pending.take(offset + marker.bytes.count)
    stage = .afterKey
    return nil
  }

  private mutating func readAfterKey(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    if let valueOpen = tags.valueOpen {
      raw += pending.takeWhitespace()
      switch pending.begins(with: valueOpen) {
      case .undecided where !atEnd: return .needsMore
      case .yes: pending.drop(valueOpen.bytes.count)
      default: return breakOff(atEnd: atEnd, into: &output)
      }
    } else {
      // The value begins on the next line, or at once.
      if pending.isEmpty { return atEnd ? breakOff(atEnd: true, into: &output) : .needsMore }
      if pending[0] == 0x0A { pending.drop(1) }
    }
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
    guard let (marker, offset) = pending.first(of: tags.valueCloses, from: searched) else {
      guard isText || atEnd else {
        searched = pending.certain(before: tags.valueCloses)
        return .needsMore
      }
      let text = pending.take(atEnd ? pending.count : pending.certain(before: tags.valueCloses))
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
    let ends = [Marker("\n" + tags.close.text), tags.close]
    if let (marker, offset) = pending.first(of: ends) {
      output.arguments(pending.take(offset))
      pending.drop(marker.bytes.count)
      output.endCall(isClosed: true)
      stage = .outerClose
      return nil
    }
    output.arguments(pending.take(atEnd ? pending.count : pending.certain(before: ends)))
    guard atEnd else { return .needsMore }
    output.endCall(isClosed: false)
    return .ended
  }

  private func readOuterClose(_ pending: inout PendingText, atEnd: Bool) -> CallProgress {
    guard let outerClose = tags.outerClose else { return .ended }
    _ = pending.takeWhitespace()
    let match = pending.begins(with: outerClose)
    if match == .undecided, !atEnd { return .needsMore }
    if match == .yes { pending.drop(outerClose.bytes.count) }
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
