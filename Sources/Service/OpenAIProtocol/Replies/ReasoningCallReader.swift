/// Reads what may be calls inside reasoning, without taking them.
///
/// Reasoning mentions calls, and models call before they have closed their reasoning. Calls they are if nothing else
/// follows to the end of the reply, but for the reasoning's end: until that is known, nothing is given out.
struct ReasoningCallReader: Sendable {
  enum Judgement {
    case undecided
    /// The next so many bytes are reasoning.
    case reasoning(Int)
    /// The next so many bytes are calls; what follows is nothing.
    case calls(Int)
  }

  private var parser: ReplyParser
  private var hasCall = false
  /// Bytes of the pending text that have been read.
  private var count = 0
  private let close: Marker
  /// Bytes that are waited for.
  private static let limit = 1 << 16

  /// `parser`: for calls and content only.
  init(_ parser: ReplyParser, close: Marker) { (self.parser, self.close) = (parser, close) }

  /// `pending` begins with what opens a call.
  mutating func judge(_ pending: PendingText, isCutOff: Bool) -> Judgement {
    var rest = pending
    rest.drop(count)
    while !rest.isEmpty {
      if count >= Self.limit { return .reasoning(count) }
      switch rest.begins(with: close) {
      case .undecided where !pending.hasEnded: return .undecided
      case .yes:
        guard hasCall, !parser.isInCall else { return .reasoning(max(count, 1)) }
        rest.drop(close.bytes.count)
        _ = rest.takeWhitespace()
        return !rest.isEmpty ? .reasoning(count) : pending.hasEnded ? end(isCutOff) : .undecided
      default: break
      }
      let character = rest.takeCharacter()
      let isText = note(parser.push(character))
      count += character.utf8.count
      // What decided it may begin a marker itself.
      if isText { return .reasoning(max(1, character == "<" ? count - 1 : count)) }
    }
    return pending.hasEnded ? end(isCutOff) : .undecided
  }

  private mutating func end(_ isCutOff: Bool) -> Judgement {
    let isText = note(parser.finish(isCutOff: isCutOff))
    return hasCall && !isText ? .calls(count) : .reasoning(max(count, 1))
  }

  /// Whether the events are of text.
  private mutating func note(_ events: [ReplyEvent]) -> Bool {
    var isText = false
    for event in events {
      switch event {
      case .content(let text): isText = isText || !text.utf8.allSatisfy(isWhitespace)
      case .toolCallEnded(_, let isComplete): hasCall = hasCall || isComplete
      case .reasoning, .reasoningWasAnswer, .toolCallStarted, .toolCallArguments: break
      }
    }
    return isText
  }
}
