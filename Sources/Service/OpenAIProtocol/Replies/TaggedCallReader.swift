import JSON

/// Reads GLM's and Qwen's coders' calls: a name, then keys and values between tags. What it gives out are the arguments
/// as JSON.
struct TaggedCallReader: CallReader {
  enum Stage {
    case name
    /// Before a key, or the call's end.
    case member
    case key
    /// Between a key and its value.
    case afterKey
    case value
    /// The arguments as one JSON object, which is how forced calls have them.
    case object(ArgumentsText)
    /// After the call's own end, before that of what it stands in.
    case outerClose
  }

  let tools: [ToolDefinition]
  let names: CallNames
  let tags: CallTags
  /// No `<tool_call>` was there: only a known function's name makes it a call.
  let isUnopened: Bool
  var stage = Stage.name
  var schema = JSONValue.null
  var key = ""
  var types = ParameterTypes()
  var memberCount = 0
  /// Bytes of a value that are known not to hold its end.
  var searched = 0
  /// What was taken since the call or the member began, and would be content if it broke off.
  var raw: String

  init(_ form: CallTags.Form, tools: [ToolDefinition], isUnopened: Bool = false, raw: String) {
    (self.tools, self.isUnopened, self.raw) = (tools, isUnopened, raw)
    names = CallNames(tools)
    tags = CallTags(form)
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .name: progress = readName(&pending, into: &output)
      case .member: progress = readMember(&pending, into: &output)
      case .key: progress = readKey(&pending, into: &output)
      case .afterKey: progress = readAfterKey(&pending, into: &output)
      case .value: progress = readValue(&pending, into: &output)
      case .object(let arguments): progress = readObject(arguments, &pending, into: &output)
      case .outerClose: progress = readOuterClose(&pending)
      }
      if let progress { return progress }
    }
  }

  private mutating func readName(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    // A line break may come before the name, and the tag twice.
    if !isUnopened {
      if skipRepeated([CallTags.opener], &pending) { return .needsMore }
      raw += pending.takeWhitespace()
    }
    var rest = pending
    if !tags.nameOpens.isEmpty {
      let matches = tags.nameOpens.map { rest.begins(with: $0) }
      if let which = matches.firstIndex(of: .yes) {
        rest.drop(tags.nameOpens[which].bytes.count)
      } else {
        return matches.contains(.undecided) && !pending.hasEnded ? .needsMore : fail(&pending, &output)
      }
    }
    let ends = tags.nameCloses + tags.keyOpens + [tags.close]
    guard let (marker, offset) = rest.first(of: ends, upTo: longestCallHead) else {
      return !rest.exceedsCallHead && !pending.hasEnded ? .needsMore : fail(&pending, &output)
    }
    let name = names.name(rest.take(offset), isUnmarked: isUnopened)
    if tags.nameCloses.contains(marker) {
      rest.drop(marker.bytes.count)
      _ = rest.takeWhitespace()
      if pending.count - rest.count > 2 * longestCallHead { return fail(&pending, &output) }
      if rest.isEmpty, !pending.hasEnded { return .needsMore }
    }
    let follows = (tags.keyOpens + [tags.close, tags.outerClose].compactMap { $0 }).map { rest.begins(with: $0) }
    let isObject = !rest.isEmpty && (rest[0] == UInt8(ascii: "{") || rest[0] == UInt8(ascii: "`"))
    if !follows.contains(.yes), follows.contains(.undecided), !pending.hasEnded { return .needsMore }
    let isNamed = tags.nameCloses.contains(marker) || tags.nameOpens.isEmpty
    guard let name, isNamed, isObject || follows.contains(.yes) else { return fail(&pending, &output) }
    pending = rest
    raw = ""
    output.beginCall(name)
    schema = tools.first { $0.name == name }?.parameters ?? .null
    if isObject { stage = .object(ArgumentsText()) } else { (stage, memberCount) = (.member, 0) }
    return nil
  }

  private func fail(_ pending: inout PendingText, _ output: inout ReplyOutput) -> CallProgress {
    // The first character of what was met without `<tool_call>` goes out as text, so that it is not met again.
    output.content(isUnopened ? raw + pending.takeCharacter() : raw)
    return .failed
  }

  private mutating func readMember(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    if pending.isEmpty { return pending.hasEnded ? breakOff(pending, into: &output) : .needsMore }
    var isUndecided = false
    let ends = [tags.close, tags.outerClose].compactMap { $0 }
    for marker in tags.keyOpens + [tags.valueClose] + ends + CallTags.openers {
      switch pending.begins(with: marker) {
      case .no: continue
      case .undecided: isUndecided = true
      case .yes where tags.keyOpens.contains(marker):
        raw += pending.take(marker.bytes.count)
        stage = .key
        return nil
      // A value's end that comes twice.
      case .yes where marker == tags.valueClose:
        pending.drop(marker.bytes.count)
        return nil
      case .yes:
        if marker == tags.close { pending.drop(marker.bytes.count) }
        closeArguments(isClosed: true, into: &output)
        stage = .outerClose
        return nil
      }
    }
    if isUndecided, !pending.hasEnded { return .needsMore }
    return breakOff(pending, into: &output)
  }

  private mutating func readKey(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    if skipRepeated(tags.keyOpens, &pending) { return .needsMore }
    guard let (marker, offset) = pending.first(of: tags.keyCloses + [tags.close]) else {
      return !pending.exceedsCallHead && !pending.hasEnded ? .needsMore : breakOff(pending, into: &output)
    }
    guard marker != tags.close, offset <= longestCallHead else { return breakOff(pending, into: &output) }
    key = Self.unquoted(SectionReader.trimmed(pending.prefix(offset)))
    // What opens the value stays for it.
    raw += pending.take(offset + (marker == tags.valueOpen ? 0 : marker.bytes.count))
    stage = .afterKey
    return nil
  }

  private mutating func readAfterKey(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    if let valueOpen = tags.valueOpen {
      if skipRepeated(tags.keyCloses.filter { $0 != valueOpen }, &pending) { return .needsMore }
      raw += pending.takeWhitespace()
      if pending.isEmpty { return pending.hasEnded ? breakOff(pending, into: &output) : .needsMore }
      switch pending.begins(with: valueOpen) {
      case .undecided where !pending.hasEnded: return .needsMore
      case .yes:
        var rest = pending
        rest.drop(valueOpen.bytes.count)
        if rest.isEmpty, !pending.hasEnded { return .needsMore }
        if skipRepeated([valueOpen], &rest) { return .needsMore }
        pending = rest
      // The tag may be left out, but not before the next.
      default: if pending[0] == UInt8(ascii: "<") { return breakOff(pending, into: &output) }
      }
    } else {
      // The value begins on the next line, or at once.
      if pending.isEmpty { return pending.hasEnded ? breakOff(pending, into: &output) : .needsMore }
      if pending[0] == 0x0A { pending.drop(1) }
    }
    raw = ""
    output.arguments((memberCount == 0 ? "{" : ", ") + JSONValue.string(key).text() + ": ")
    memberCount += 1
    types = ParameterTypes(schema["properties"]?[key], in: schema)
    if types.isText { output.arguments("\"") }
    (stage, searched) = (.value, 0)
    return nil
  }

  private mutating func readObject(
    _ arguments: ArgumentsText, _ pending: inout PendingText, into output: inout ReplyOutput
  ) -> CallProgress? {
    var arguments = arguments
    defer { if case .object = stage { stage = .object(arguments) } }
    let ends = [tags.close, tags.outerClose].compactMap { $0 }
    while true {
      let found = pending.first(of: ends)
      let end = found?.offset ?? (pending.hasEnded ? pending.count : pending.certain(before: ends))
      arguments.take(pending.take(end), into: &output)
      guard let (marker, _) = found else { break }
      // In a string, it is text unless the call is sure to end here.
      let match = arguments.isInString ? callEnds(pending, at: 0, marker) : .yes
      if match == .undecided { return .needsMore }
      if match == .yes {
        arguments.end(isClosed: true, into: &output)
        if marker == tags.close { pending.drop(marker.bytes.count) }
        stage = .outerClose
        return nil
      }
      arguments.take(pending.take(marker.bytes.count), into: &output)
    }
    guard pending.hasEnded else { return .needsMore }
    arguments.end(isClosed: false, into: &output)
    return .ended
  }

  private func readOuterClose(_ pending: inout PendingText) -> CallProgress {
    let ends = [tags.close, tags.outerClose].compactMap { $0 }
    // The call's own end may come again, however often.
    while true {
      var rest = pending
      _ = rest.takeWhitespace()
      if rest.isEmpty, !pending.hasEnded { return .needsMore }
      let matches = ends.map { rest.begins(with: $0) }
      guard let which = matches.firstIndex(of: .yes) else {
        return matches.contains(.undecided) && !pending.hasEnded ? .needsMore : .ended
      }
      rest.drop(ends[which].bytes.count)
      pending = rest
      if ends[which] == tags.outerClose { return .ended }
    }
  }

  /// Drops tags that stand there again, with nothing but whitespace before them; true when more text must tell.
  private func skipRepeated(_ markers: [Marker], _ pending: inout PendingText) -> Bool {
    while true {
      var rest = pending
      _ = rest.takeWhitespace()
      // Blanks alone may be the beginning of what was asked for.
      if rest.isEmpty { return false }
      let matches = markers.map { rest.begins(with: $0) }
      guard let which = matches.firstIndex(of: .yes) else { return matches.contains(.undecided) && !pending.hasEnded }
      rest.drop(markers[which].bytes.count)
      pending = rest
    }
  }

  /// Ends a call in which something else follows than should, or nothing.
  mutating func breakOff(_ pending: PendingText, into output: inout ReplyOutput) -> CallProgress {
    if pending.hasEnded, output.isCutOff {
      output.endCall(isClosed: false)
    } else {
      closeArguments(isClosed: pending.hasEnded && SectionReader.trimmed(raw).isEmpty, into: &output)
    }
    if !raw.utf8.allSatisfy(isWhitespace) { output.content(raw) }
    return .failed
  }

  func closeArguments(isClosed: Bool, into output: inout ReplyOutput) {
    output.arguments(memberCount == 0 ? "{}" : "}")
    output.endCall(isClosed: isClosed)
  }
}
