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

  init(identifiers: IdentifierSource, syntax: ToolCallFormat.Syntax) {
    self.identifiers = identifiers
    self.syntax = syntax
  }

  mutating func takeEvents() -> [ReplyEvent] {
    defer { events = [] }
    return events
  }

  mutating func reasoning(_ text: String) {
    if text.isEmpty { return }
    hasReasoning = true
    if case .reasoning(let before) = events.last {
      events[events.count - 1] = .reasoning(before + text)
    } else { events.append(.reasoning(text)) }
  }

  mutating func content(_ text: String) {
    if text.isEmpty { return }
    hasContent = true
    if case .content(let before) = events.last {
      events[events.count - 1] = .content(before + text)
    } else { events.append(.content(text)) }
  }

  mutating func beginCall(_ name: String) {
    events.append(.toolCallStarted(index: callCount, id: identifiers.toolCall(for: syntax), name: name))
    callCount += 1
    arguments = ""
  }

  mutating func arguments(_ text: String) {
    if text.isEmpty { return }
    arguments? += text
    if case .toolCallArguments(let index, let before) = events.last {
      events[events.count - 1] = .toolCallArguments(index: index, delta: before + text)
    } else { events.append(.toolCallArguments(index: callCount - 1, delta: text)) }
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
