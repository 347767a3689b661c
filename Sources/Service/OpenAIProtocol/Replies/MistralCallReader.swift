/// Reads what follows `[TOOL_CALLS]`: an array of JSON objects, or as Mistral's newer models write it, `NAME[ARGS]{…}`,
/// with an id between the two or without the marker.
struct MistralCallReader: CallReader {
  private enum Stage {
    case opening
    case objects(CallObjectsReader)
    case arguments(ArgumentsText)
  }

  private let tools: [ToolDefinition]
  private let names: CallNames
  private let opener = Marker("[TOOL_CALLS]")
  private let idOpen = Marker("[CALL_ID]")
  private let argumentsOpen = Marker("[ARGS]")
  private let brace = Marker("{")
  private var stage = Stage.opening
  private var raw: String

  init(tools: [ToolDefinition], raw: String) {
    self.tools = tools
    names = CallNames(tools)
    self.raw = raw
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    if case .opening = stage, let progress = readOpening(&pending, into: &output) { return progress }
    switch stage {
    case .objects(var reader):
      stage = .opening
      defer { stage = .objects(reader) }
      return reader.read(&pending, into: &output)
    case .arguments(var arguments):
      stage = .opening
      defer { stage = .arguments(arguments) }
      return readArguments(&arguments, &pending, into: &output)
    case .opening: return .failed
    }
  }

  private mutating func readOpening(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    raw += pending.takeWhitespace()
    while pending.begins(with: opener) == .yes {
      raw += pending.take(opener.bytes.count)
      raw += pending.takeWhitespace()
    }
    if pending.begins(with: opener) == .undecided, !pending.hasEnded { return .needsMore }
    if pending.isEmpty || Array("{[`".utf8).contains(pending[0]),
      pending.begins(with: argumentsOpen) == .no || pending.hasEnded
    {
      stage = .objects(CallObjectsReader(isUnmarked: false, tools: tools, raw: raw))
      return nil
    }
    guard let (marker, offset) = pending.first(of: [argumentsOpen, brace, opener], upTo: longestCallHead),
      marker != opener
    else { return pending.exceedsCallHead || pending.hasEnded ? fail(&output) : .needsMore }
    var head = Array(pending.prefix(offset).utf8)
    if let id = head.firstRange(of: idOpen.bytes) { head.removeSubrange(id.lowerBound...) }
    let text = String(decoding: head, as: UTF8.self)
    guard let name = names.name(text, isUnmarked: marker == brace) else { return fail(&output) }
    var rest = pending
    rest.drop(offset + (marker == brace ? 0 : marker.bytes.count))
    guard marker == brace || rest.dropRepeated([argumentsOpen]) else { return .needsMore }
    pending = rest
    output.beginCall(name)
    stage = .arguments(ArgumentsText())
    return nil
  }

  private func readArguments(
    _ arguments: inout ArgumentsText, _ pending: inout PendingText, into output: inout ReplyOutput
  ) -> CallProgress {
    while !pending.isEmpty, !arguments.isAfterObject {
      // Another call may follow without this one's end.
      let match = arguments.isInString ? .no : pending.begins(with: opener)
      if match == .undecided, !pending.hasEnded { return .needsMore }
      if match == .yes { break }
      arguments.take(pending.takeCharacter(), into: &output)
    }
    if pending.isEmpty, !pending.hasEnded, !arguments.isAfterObject { return .needsMore }
    arguments.end(isClosed: !pending.isEmpty, into: &output)
    return .ended
  }

  private func fail(_ output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }
}
