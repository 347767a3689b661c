import JSON

/// Reads calls in DeepSeek's or MiniMax's markup, a section of them or one without. What it gives out are the arguments
/// as JSON: an argument says whether it is text or JSON itself, or else the tool's parameters do.
struct MarkupCallReader: CallReader {
  private enum Stage {
    /// Before a call, the first or another.
    case section
    case name
    /// Before an argument, or the call's end.
    case member
    case attributes
    case value(isText: Bool, ParameterTypes)
    /// The arguments as one JSON object, which is how forced calls have them.
    case object(ArgumentsText)
  }

  private let tags: MarkupTags
  private let tools: [ToolDefinition]
  private let names: CallNames
  /// A call without a section, whose tag other text may have, too: one of a function that is not offered is none.
  private let isUnmarked: Bool
  private var stage: Stage
  private var schema = JSONValue.null
  private var memberCount = 0
  private var callCount = 0
  /// How many of the pending bytes are known to be a value's that is given out whole.
  private var searched = 0
  /// What was taken since the call began, and would be content if it could not be read.
  private var raw: String

  /// `isCall`: what was met is a call's tag, not its section's.
  init(_ tags: MarkupTags, tools: [ToolDefinition], isCall: Bool, raw: String) {
    (self.tags, self.tools, self.raw) = (tags, tools, raw)
    names = CallNames(tools)
    isUnmarked = isCall && tags.mark.isEmpty
    stage = isCall ? .name : .section
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .section: progress = readSection(&pending, into: &output)
      case .name: progress = readName(&pending, into: &output)
      case .member: progress = readMember(&pending, into: &output)
      case .attributes: progress = readAttributes(&pending, into: &output)
      case .value(let isText, let types):
        progress = readValue(isText, types, &pending, into: &output)
      case .object(let arguments): progress = readObject(arguments, &pending, into: &output)
      }
      if let progress { return progress }
    }
  }

  /// Which of `markers` the pending text begins with; `undecided` while it may be one.
  private func begins(_ pending: PendingText, _ markers: [Marker]) -> (found: Marker?, undecided: Bool) {
    let matches = markers.map { pending.begins(with: $0) }
    return (matches.firstIndex(of: .yes).map { markers[$0] }, pending.isEmpty || matches.contains(.undecided))
  }

  private mutating func readSection(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    let (found, isUndecided) = begins(pending, [tags.call] + tags.closes)
    switch found {
    case tags.call?:
      raw += pending.take(tags.call.bytes.count)
      stage = .name
      return nil
    // An empty section is no call.
    case let close? where callCount > 0:
      pending.drop(close.bytes.count)
      return .ended
    default:
      if isUndecided, found == nil, !pending.hasEnded { return .needsMore }
      return callCount > 0 ? .ended : fail(&output)
    }
  }

  private func fail(_ output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }

  private mutating func readName(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    let end = Marker(">")
    guard let (_, offset) = pending.first(of: [end], upTo: longestCallHead) else {
      return !pending.exceedsCallHead && !pending.hasEnded ? .needsMore : fail(&output)
    }
    let text = pending.prefix(offset)
    guard let name = names.name(MarkupTags.attributes(text)?.name ?? text, isUnmarked: isUnmarked) else {
      return fail(&output)
    }
    pending.drop(offset + end.bytes.count)
    output.beginCall(name)
    schema = tools.first { $0.name == name }?.parameters ?? .null
    (stage, memberCount, raw) = (.member, 0, "")
    callCount += 1
    return nil
  }

  private mutating func readMember(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    if memberCount == 0, !pending.isEmpty, pending[0] == UInt8(ascii: "{") || pending[0] == UInt8(ascii: "`") {
      (stage, raw) = (.object(ArgumentsText()), "")
      return nil
    }
    let (found, isUndecided) = begins(
      pending,
      [tags.argument, tags.callClose, tags.argumentClose, tags.call] + tags.closes)
    switch found {
    case tags.argument?:
      raw += pending.take(tags.argument.bytes.count)
      stage = .attributes
      return nil
    // An argument's end that comes twice.
    case tags.argumentClose?:
      pending.drop(tags.argumentClose.bytes.count)
      return nil
    case let end?:
      if end == tags.callClose { pending.drop(end.bytes.count) }
      close(isClosed: true, into: &output)
      (stage, raw) = (.section, "")
      return nil
    case nil:
      if isUndecided, !pending.hasEnded { return .needsMore }
      return breakOff(pending, into: &output)
    }
  }

  private mutating func readAttributes(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    let end = Marker(">")
    guard let (_, offset) = pending.first(of: [end], upTo: longestCallHead) else {
      return !pending.exceedsCallHead && !pending.hasEnded ? .needsMore : breakOff(pending, into: &output)
    }
    guard let (key, isText) = MarkupTags.attributes(pending.prefix(offset)) else {
      return breakOff(pending, into: &output)
    }
    pending.drop(offset + end.bytes.count)
    raw = ""
    output.arguments((memberCount == 0 ? "{" : ", ") + JSONValue.string(key).text() + ": ")
    memberCount += 1
    let types = ParameterTypes(schema["properties"]?[key], in: schema)
    stage = .value(isText: isText ?? types.isText, types)
    if isText ?? types.isText { output.arguments("\"") }
    return nil
  }

  private mutating func readValue(
    _ isText: Bool, _ types: ParameterTypes, _ pending: inout PendingText, into output: inout ReplyOutput
  ) -> CallProgress? {
    let ends = [tags.argumentClose, tags.callClose] + tags.closes
    if let (end, offset) = pending.first(of: ends, from: searched) {
      searched = 0
      let text = pending.take(offset)
      if end == tags.argumentClose { pending.drop(end.bytes.count) }
      output.arguments(isText ? Self.escaped(text) + "\"" : types.json(text))
      stage = .member
      return nil
    }
    guard pending.hasEnded else {
      // Of text all is given out that cannot be its end; of anything else nobody looks at it again.
      let certain = pending.certain(before: ends)
      if isText { output.arguments(Self.escaped(pending.take(certain))) } else { searched = certain }
      return .needsMore
    }
    let text = pending.takeAll()
    if output.isCutOff {
      output.arguments(isText ? Self.escaped(text) : text)
      output.endCall(isClosed: false)
    } else {
      output.arguments(isText ? Self.escaped(text) + "\"" : types.json(text))
      close(isClosed: true, into: &output)
    }
    return .ended
  }

  private mutating func readObject(
    _ arguments: ArgumentsText, _ pending: inout PendingText, into output: inout ReplyOutput
  ) -> CallProgress? {
    var arguments = arguments
    let ends = [tags.callClose] + tags.closes
    let found = pending.first(of: ends)
    arguments.take(
      pending.take(found?.offset ?? (pending.hasEnded ? pending.count : pending.certain(before: ends))), into: &output)
    stage = .object(arguments)
    if let (end, _) = found {
      if end == tags.callClose { pending.drop(end.bytes.count) }
      arguments.end(isClosed: true, into: &output)
      (stage, raw) = (.section, "")
      return nil
    }
    guard pending.hasEnded else { return .needsMore }
    arguments.end(isClosed: false, into: &output)
    return .ended
  }

  /// Ends a call in which something else follows than should, or nothing.
  private mutating func breakOff(_ pending: PendingText, into output: inout ReplyOutput) -> CallProgress {
    if pending.hasEnded, output.isCutOff {
      output.endCall(isClosed: false)
    } else {
      close(isClosed: pending.hasEnded && SectionReader.trimmed(raw).isEmpty, into: &output)
    }
    if !raw.utf8.allSatisfy(isWhitespace) { output.content(raw) }
    return .failed
  }

  private func close(isClosed: Bool, into output: inout ReplyOutput) {
    output.arguments(memberCount == 0 ? "{}" : "}")
    output.endCall(isClosed: isClosed)
  }

  private static func escaped(_ text: String) -> String { String(JSONValue.string(text).text().dropFirst().dropLast()) }
}
