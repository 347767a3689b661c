/// Reads gpt-oss's replies: messages on channels, of which analysis is reasoning, final and commentary are content, and
/// those to a function are calls. It reads the whole reply.
struct HarmonyReader: CallReader {
  private enum Stage {
    /// Where a message's header should begin; only whitespace so far since the last message.
    case between
    case header
    case body(Body)
  }

  private enum Body { case reasoning, content, call }

  private let hasTools: Bool
  private let names: Set<String>
  private let start = Marker("<|start|>")
  private let channel = Marker("<|channel|>")
  private let message = Marker("<|message|>")
  private let callClose = Marker("<|call|>")
  /// What ends a message and belongs to it.
  private let closes: [Marker]
  private var stage: Stage
  /// What was taken of a header, and would be content if it could not be read.
  private var raw = ""

  init(tools: [ToolDefinition], startsInReasoning: Bool) {
    hasTools = !tools.isEmpty
    names = Set(tools.map(\.name))
    closes = [Marker("<|end|>"), callClose, Marker("<|return|>")]
    stage = startsInReasoning ? .body(.reasoning) : .between
  }

  var isInReasoning: Bool { if case .body(.reasoning) = stage { true } else { false } }

  mutating func read(_ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let needsMore: Bool
      switch stage {
      case .between: needsMore = readBetween(&pending, atEnd: atEnd, into: &output)
      case .header: needsMore = readHeader(&pending, atEnd: atEnd, into: &output)
      case .body(let body): needsMore = readBody(body, &pending, atEnd: atEnd, into: &output)
      }
      if needsMore { return .needsMore }
    }
  }

  /// True when more text is needed, as all of these.
  private mutating func readBetween(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> Bool {
    raw += pending.takeWhitespace()
    if pending.isEmpty { return true }
    // The prompt ends with `<|start|>assistant`, so that a reply's first message may go on with its recipient.
    let recipient = Marker("to=")
    for marker in [start, channel, message, recipient] {
      switch pending.begins(with: marker) {
      case .no: continue
      case .undecided where !atEnd: return true
      case .undecided: continue
      case .yes:
        stage = .header
        return false
      }
    }
    output.content(raw)
    (raw, stage) = ("", .body(.content))
    return false
  }

  private mutating func readHeader(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> Bool {
    guard let (marker, offset) = pending.first(of: [message] + closes), offset <= longestCallHead else {
      if !pending.exceedsCallHead, !atEnd { return true }
      // No header after all; its first character goes out so that its marker is not met again.
      output.content(raw + pending.takeCharacter())
      (raw, stage) = ("", .body(.content))
      return pending.isEmpty
    }
    let header = pending.take(offset)
    let space = raw
    (raw, stage) = ("", .body(.content))
    switch marker == message ? Header(header) : nil {
    case .some(let parsed) where parsed.recipient != nil:
      guard let name = functionName(parsed.recipient ?? "") else { break }
      pending.drop(message.bytes.count)
      output.beginCall(name)
      stage = .body(.call)
      return false
    case .some(let parsed) where parsed.channel == "analysis":
      pending.drop(message.bytes.count)
      if output.hasReasoning { output.reasoning("\n") }
      stage = .body(.reasoning)
      return false
    case .some:
      pending.drop(message.bytes.count)
      if output.hasContent { output.content("\n") }
      return false
    default: break
    }
    output.content(space + header + pending.take(marker.bytes.count))
    return false
  }

  private func functionName(_ recipient: String) -> String? {
    guard hasTools else { return nil }
    if recipient.hasPrefix("functions."), recipient != "functions." {
      return String(recipient.dropFirst("functions.".count))
    }
    return names.contains(recipient) ? recipient : nil
  }

  private mutating func readBody(
    _ body: Body, _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> Bool {
    let ends = closes + [start, channel]
    let found = pending.first(of: ends)
    let text = pending.take(found?.offset ?? (atEnd ? pending.count : pending.certain(before: ends)))
    switch body {
    case .reasoning: output.reasoning(text)
    case .content: output.content(text)
    case .call: output.arguments(text)
    }
    guard let marker = found?.marker else {
      if atEnd, case .call = body { output.endCall(isClosed: false) }
      return true
    }
    if case .call = body { output.endCall(isClosed: true) }
    if closes.contains(marker) { pending.drop(marker.bytes.count) }
    stage = .between
    return false
  }

  /// What stands before `<|message|>`: a role, a channel, a recipient and the form of the body, most of them optional.
  private struct Header {
    var channel: String?
    var recipient: String?

    /// Nil for a role that is not the assistant's, and for what no header has.
    init?(_ text: String) {
      var spaced = text
      for marker in ["<|start|>", "<|channel|>", "<|constrain|>"] {
        spaced = spaced.replacing(marker, with: " \(marker) ")
      }
      var words = spaced.split(whereSeparator: \.isWhitespace).map(String.init)[...]
      if words.first == "<|start|>" {
        guard words.dropFirst().first == "assistant" else { return nil }
        words = words.dropFirst(2)
      }
      while let word = words.popFirst() {
        if word == "<|channel|>", channel == nil, let name = words.popFirst() {
          guard ["analysis", "commentary", "final"].contains(name) else { return nil }
          channel = name
        } else if word.hasPrefix("to="), recipient == nil {
          recipient = String(word.dropFirst(3))
        } else if !["<|constrain|>", "json", "code"].contains(word) {
          return nil
        }
      }
    }
  }
}
