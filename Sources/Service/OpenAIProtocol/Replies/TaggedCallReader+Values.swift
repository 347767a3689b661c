import JSON

extension TaggedCallReader {
  /// Where a value ends, and how much of what ends it is its own.
  private enum ValueEnd {
    case at(Int, length: Int)
    /// Nothing is certain from here on.
    case undecided(Int)
    case none
  }

  mutating func readValue(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    switch valueEnd(pending) {
    case .at(let offset, let length):
      let text = pending.take(offset)
      pending.drop(length)
      giveOut(onItsLines(text, hasEnd: length > 0), isLast: true, into: &output)
      stage = .member
      return nil
    case .undecided(let offset):
      takeCertain(offset, &pending, into: &output)
      return .needsMore
    case .none:
      guard pending.hasEnded else {
        takeCertain(pending.count, &pending, into: &output)
        return .needsMore
      }
      let text = pending.takeAll()
      if output.isCutOff {
        output.arguments(types.isText ? Self.escaped(text) : text)
        output.endCall(isClosed: false)
      } else {
        giveOut(onItsLines(text, hasEnd: false), isLast: true, into: &output)
        closeArguments(isClosed: true, into: &output)
      }
      return .ended
    }
  }

  /// A value on lines of its own ends before the last line break; so does one whose end was left out.
  private func onItsLines(_ text: String, hasEnd: Bool) -> String {
    let isOnLines = tags.valueOpen == nil || !hasEnd
    return isOnLines && text.utf8.last == 0x0A ? String(decoding: text.utf8.dropLast(), as: UTF8.self) : text
  }

  /// Gives out text that is certain to be the value's, if it need not be whole; a line break may still belong to what
  /// ends it.
  private mutating func takeCertain(_ count: Int, _ pending: inout PendingText, into output: inout ReplyOutput) {
    guard types.isText else {
      searched = count
      return
    }
    let kept = count > 0 && pending[count - 1] == 0x0A ? count - 1 : count
    giveOut(pending.take(kept), isLast: false, into: &output)
    searched = count - kept
  }

  private func giveOut(_ text: String, isLast: Bool, into output: inout ReplyOutput) {
    if types.isText {
      output.arguments(Self.escaped(text) + (isLast ? "\"" : ""))
    } else {
      output.arguments(types.json(text))
    }
  }

  /// The first place from `searched` on where the value's own end stands, or what can only follow it.
  private func valueEnd(_ pending: PendingText) -> ValueEnd {
    for offset in searched..<max(searched, pending.count) where pending[offset] == UInt8(ascii: "<") {
      var isUndecided = false
      switch pending.begins(with: tags.valueClose, at: offset) {
      case .yes: return .at(offset, length: tags.valueClose.bytes.count)
      case .undecided: isUndecided = true
      case .no: break
      }
      var ends = [memberBegins(pending, at: offset)]
      for marker in [tags.close, tags.outerClose].compactMap({ $0 }) {
        ends.append(callEnds(pending, at: offset, marker))
      }
      if ends.contains(.yes) { return .at(offset, length: 0) }
      if isUndecided || ends.contains(.undecided), !pending.hasEnded { return .undecided(offset) }
    }
    return .none
  }

  /// Whether a member of the function's begins here: another's name is text.
  private func memberBegins(_ pending: PendingText, at offset: Int) -> PendingText.Match {
    let matches = tags.keyOpens.map { pending.begins(with: $0, at: offset) }
    guard let which = matches.firstIndex(of: .yes) else { return matches.contains(.undecided) ? .undecided : .no }
    var rest = pending
    rest.drop(offset + tags.keyOpens[which].bytes.count)
    guard let (marker, length) = rest.first(of: [tags.keyCloses[0]], upTo: longestCallHead) else {
      return rest.exceedsCallHead ? .no : .undecided
    }
    let key = Self.unquoted(SectionReader.trimmed(rest.prefix(length)))
    return marker == tags.keyCloses[0] && schema["properties"]?[key] != nil ? .yes : .no
  }

  /// Whether `marker` ends the call here: then the reply ends, or another call begins, or what it stands in ends.
  func callEnds(_ pending: PendingText, at offset: Int, _ marker: Marker) -> PendingText.Match {
    let match = pending.begins(with: marker, at: offset)
    guard match == .yes else { return match == .undecided && pending.hasEnded ? .no : match }
    var rest = pending
    rest.drop(offset + marker.bytes.count)
    _ = rest.takeWhitespace()
    if rest.isEmpty { return pending.hasEnded ? .yes : .undecided }
    let follows = (marker == tags.close ? CallTags.openers + [tags.outerClose].compactMap { $0 } : CallTags.openers)
      .map { rest.begins(with: $0) }
    if follows.contains(.yes) { return .yes }
    return follows.contains(.undecided) && !pending.hasEnded ? .undecided : .no
  }

  static func unquoted(_ key: String) -> String {
    guard key.utf8.count > 1, let first = key.utf8.first, first == key.utf8.last, "\"'".utf8.contains(first) else {
      return key
    }
    return String(decoding: key.utf8.dropFirst().dropLast(), as: UTF8.self)
  }

  private static func escaped(_ text: String) -> String { String(JSONValue.string(text).text().dropFirst().dropLast()) }
}
