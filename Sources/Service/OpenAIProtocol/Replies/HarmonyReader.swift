/// Reads gpt-oss's replies: messages on channels, of which analysis is reasoning, final and commentary are content, and
/// those to a function are calls. It reads the whole reply.
struct HarmonyReader: CallReader {
  private enum Stage {
    /// Where a message's header should begin; only whitespace so far since the last message.
    case between
    case header
    case body(Body)
  }

  private enum Body {
    case reasoning, content
    /// What a tool would have said, which nobody is told.
    case leftOut
    case call(ArgumentsText)
  }

  private let names: CallNames
  private let start = Marker("<|start|>")
  private let channel = Marker("<|channel|>")
  private let message = Marker("<|message|>")
  private let constrain = Marker("<|constrain|>")
  private let callClose = Marker("<|call|>")
  /// What ends a message and belongs to it.
  private let closes: [Marker]
  private var stage: Stage
  /// What was taken of a header, and would be content if it could not be read.
  private var raw = ""

  init(tools: [ToolDefinition], startsInReasoning: Bool) {
    names = CallNames(tools)
    closes = [Marker("<|end|>"), callClose, Marker("<|return|>")]
    stage = startsInReasoning ? .body(.reasoning) : .between
  }

  var isInReasoning: Bool { if case .body(.reasoning) = stage { true } else { false } }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let needsMore: Bool
      switch stage {
      case .between: needsMore = readBetween(&pending, into: &output)
      case .header: needsMore = readHeader(&pending, into: &output)
      case .body(let body): needsMore = readBody(body, &pending, into: &output)
      }
      if needsMore { return .needsMore }
    }
  }

  /// True when more text is needed, as all of these.
  private mutating func readBetween(_ pending: inout PendingText, into output: inout ReplyOutput) -> Bool {
    raw += pending.takeWhitespace()
    if pending.isEmpty { return true }
    switch headerBegins(pending) {
    case .undecided: return true
    case .yes:
      stage = .header
      return false
    case .no: break
    }
    output.content(raw)
    (raw, stage) = ("", .body(.content))
    return false
  }

  /// The prompt ends with `<|start|>assistant`, so that a reply's first message may go on with its recipient; later
  /// ones may lack the marker, or have the role twice.
  private func headerBegins(_ pending: PendingText) -> PendingText.Match {
    var rest = pending
    let role = Marker("assistant")
    let isRole = rest.begins(with: role)
    if isRole == .yes {
      rest.drop(role.bytes.count)
      _ = rest.takeWhitespace()
      if rest.isEmpty { return pending.hasEnded ? .no : .undecided }
    }
    let matches = [start, channel, message, constrain, Marker("to=")].map { rest.begins(with: $0) }
    if matches.contains(.yes) { return .yes }
    return (isRole == .undecided || matches.contains(.undecided)) && !pending.hasEnded ? .undecided : .no
  }

  private mutating func readHeader(_ pending: inout PendingText, into output: inout ReplyOutput) -> Bool {
    guard let (marker, offset) = pending.first(of: [message] + closes, upTo: longestCallHead) else {
      if !pending.exceedsCallHead, !pending.hasEnded { return true }
      if pending.hasEnded, !output.isCutOff, let parsed = HarmonyHeader(pending.prefix(pending.count), isWhole: false),
        !parsed.body.isEmpty
      {
        // `<|message|>` was left out, and so was the end.
        pending.drop(pending.count)
        raw = ""
        if begin(parsed, isWhole: false, into: &output) { return false }
      }
      // No header after all; its first character goes out so that its marker is not met again.
      output.content(raw + pending.takeCharacter())
      (raw, stage) = ("", .body(.content))
      return pending.isEmpty
    }
    let header = pending.take(offset)
    let space = raw
    raw = ""
    guard let parsed = HarmonyHeader(header, isWhole: marker == message),
      begin(parsed, isWhole: marker == message, into: &output)
    else {
      output.content(space + header + pending.take(marker.bytes.count))
      stage = .body(.content)
      return false
    }
    if marker == message { pending.drop(marker.bytes.count) }
    return false
  }

  /// Begins a message's body, which is in the header where `<|message|>` was left out; false for what is no message of
  /// the model's.
  private mutating func begin(_ header: HarmonyHeader, isWhole: Bool, into output: inout ReplyOutput) -> Bool {
    if header.isFromTool {
      stage = .body(.leftOut)
      return true
    }
    if let recipient = header.recipient, !["user", "all", "assistant"].contains(recipient) {
      guard let name = functionName(recipient) else { return false }
      var arguments = ArgumentsText()
      output.beginCall(name)
      arguments.take(header.body, into: &output)
      stage = .body(.call(arguments))
      return true
    }
    guard isWhole || header.channel != nil && !header.body.isEmpty else { return false }
    if header.channel == "analysis" {
      if output.hasReasoning { output.reasoning("\n") }
      output.reasoning(header.body)
      stage = .body(.reasoning)
    } else {
      if output.hasContent { output.content("\n") }
      output.content(header.body)
      stage = .body(.content)
    }
    return true
  }

  private func functionName(_ recipient: String) -> String? {
    guard !names.isEmpty else { return nil }
    let isFunction = recipient.hasPrefix("functions.") && recipient != "functions."
    return names.name(recipient, isUnmarked: !isFunction)
  }

  private mutating func readBody(_ body: Body, _ pending: inout PendingText, into output: inout ReplyOutput) -> Bool {
    let ends = closes + [start, channel, message]
    let found = pending.first(of: ends)
    let text = pending.take(found?.offset ?? (pending.hasEnded ? pending.count : pending.certain(before: ends)))
    // One too many: the body has begun.
    let isDoubled = found?.marker == message
    switch body {
    case .reasoning: output.reasoning(text)
    case .content: output.content(text)
    case .leftOut: break
    case .call(var arguments):
      arguments.take(text, into: &output)
      if !isDoubled, found != nil || pending.hasEnded {
        arguments.end(isClosed: found != nil, into: &output)
      } else {
        stage = .body(.call(arguments))
      }
    }
    guard let marker = found?.marker else {
      if pending.hasEnded { stage = .body(.content) }
      return true
    }
    if isDoubled || closes.contains(marker) { pending.drop(marker.bytes.count) }
    if !isDoubled { stage = .between }
    return false
  }
}
