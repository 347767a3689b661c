import JSON

/// Gathers the events of a reply; neighbours of the same kind become one.
struct ReplyOutput: Sendable {
  private let identifiers: IdentifierSource
  private let syntax: ToolCallFormat.Syntax
  private var events: [ReplyEvent] = []
  private(set) var callCount = 0
  /// The arguments so far of the call that is open; nil outside calls.
  private var arguments: String?
  private(set) var hasReasoning = false
  private(set) var hasContent = false
  /// The text was ended from outside, so that what is open stays open; the model's own end closes it.
  var isCutOff = true
  /// Calls after so many, and all else after the last of them, are left out.
  private let callLimit: Int
  /// Calls made before this reply, by which Kimi's ids count.
  private let earlierCalls: Int
  private var usedIDs: Set<String> = []
  /// Whitespace after calls, before which there was no content.
  private var heldSpace = ""

  init(identifiers: IdentifierSource, syntax: ToolCallFormat.Syntax, callLimit: Int = .max, earlierCalls: Int = 0) {
    (self.identifiers, self.syntax) = (identifiers, syntax)
    (self.callLimit, self.earlierCalls) = (callLimit, earlierCalls)
  }

  /// Nothing more comes of the reply.
  var isComplete: Bool { callCount >= callLimit && arguments == nil }

  mutating func takeEvents() -> [ReplyEvent] {
    defer { events = [] }
    return events
  }

  mutating func reasoning(_ text: String) {
    if text.isEmpty || isComplete { return }
    hasReasoning = true
    if case .reasoning(let before) = events.last {
      events[events.count - 1] = .reasoning(before + text)
    } else {
      events.append(.reasoning(text))
    }
  }

  /// Text after a call is no longer in the call's last line: where there was none before, line breaks before it go, and
  /// so does whitespace alone.
  mutating func content(_ text: String) {
    if text.isEmpty || isComplete { return }
    let text = callCount > 0 && !hasContent ? textAfterCall(text) : text
    if text.isEmpty { return }
    hasContent = true
    if case .content(let before) = events.last {
      events[events.count - 1] = .content(before + text)
    } else {
      events.append(.content(text))
    }
  }

  /// What begins with `text`, from the line on that is not blank; empty as long as there is none.
  private mutating func textAfterCall(_ text: String) -> String {
    heldSpace += text
    let bytes = heldSpace.utf8
    guard let begin = bytes.firstIndex(where: { !isWhitespace($0) }) else { return "" }
    let lineBreak = bytes[..<begin].lastIndex { $0 == 0x0A || $0 == 0x0D }
    defer { heldSpace = "" }
    return String(heldSpace[(lineBreak.map { bytes.index(after: $0) } ?? heldSpace.startIndex)...])
  }

  /// What has come as reasoning, and nothing else has come, was the answer.
  mutating func answer(_ text: String) {
    if text.isEmpty || isComplete { return }
    hasContent = true
    events.append(.reasoningWasAnswer(text))
  }

  /// `id`: what the reply itself calls it, if it does.
  mutating func beginCall(_ name: String, id: String? = nil) {
    if isComplete { return }
    events.append(.toolCallStarted(index: callCount, id: identifier(name, given: id), name: name))
    callCount += 1
    arguments = ""
  }

  /// Kimi's ids are `functions.NAME:INDEX`, counted through the conversation. Its own, and Solar's, is kept if no other
  /// call has it.
  private mutating func identifier(_ name: String, given: String?) -> String {
    if syntax == .solar, let id = given.flatMap(SectionReader.solarHead)?.id, !id.isEmpty, usedIDs.insert(id).inserted {
      return id
    }
    guard syntax == .kimi else { return identifiers.toolCall(for: syntax) }
    let index = given.flatMap {
      $0.hasPrefix("functions.\(name):") ? Int($0.dropFirst("functions.\(name):".count)) : nil
    }
    var id = "functions.\(name):\(index ?? earlierCalls + callCount)"
    var next = earlierCalls + callCount
    while !usedIDs.insert(id).inserted {
      id = "functions.\(name):\(next)"
      next += 1
    }
    return id
  }

  mutating func arguments(_ text: String) {
    if text.isEmpty || arguments == nil { return }
    arguments? += text
    if case .toolCallArguments(let index, let before) = events.last {
      events[events.count - 1] = .toolCallArguments(index: index, delta: before + text)
    } else {
      events.append(.toolCallArguments(index: callCount - 1, delta: text))
    }
  }

  /// `isClosed`: the model marked the end; otherwise the call is complete if its arguments are whole.
  mutating func endCall(isClosed: Bool) {
    guard let text = arguments else { return }
    let isBlank = text.utf8.allSatisfy(isWhitespace)
    if isClosed, isBlank { arguments("{}") }
    let isWhole = isClosed || (try? JSONValue(parsing: text, limits: JSONLimits(depth: 64)))?.object != nil
    events.append(.toolCallEnded(index: callCount - 1, isComplete: isWhole))
    arguments = nil
  }
}
