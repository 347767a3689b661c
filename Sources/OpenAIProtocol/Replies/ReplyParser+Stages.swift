extension ReplyParser {
  /// Takes what one stage can take; false when more text is needed, or at the end when nothing is left.
  mutating func step(atEnd: Bool) -> Bool {
    switch stage {
    case .blank(let place, let space): return readBlank(place, after: space, atEnd: atEnd)
    case .reasoning(let atStart): return readReasoning(atStart: atStart, atEnd: atEnd)
    case .content: return readContent(atEnd: atEnd)
    case .call(var reader):
      // Only one owner of what the reader has gathered, so that nothing is copied.
      stage = .content
      let progress = reader.read(&pending, atEnd: atEnd, into: &output)
      switch progress {
      case .needsMore: stage = .call(reader)
      case .ended: stage = .blank(.afterCall, "")
      case .failed: stage = .content
      }
      return progress != .needsMore
    }
  }

  private mutating func readBlank(_ place: Place, after space: String, atEnd: Bool) -> Bool {
    if place == .afterReasoning {
      pending.dropLineBreaks()
      if pending.isEmpty { return false }
      stage = .blank(.beforeContent, "")
      return true
    }
    let space = space + pending.takeWhitespace()
    stage = .blank(place, space)
    var openers = callOpeners
    if place == .beforeReply, let reasoningOpen { openers.append(reasoningOpen) }
    var isUndecided = pending.isEmpty
    for opener in openers {
      switch pending.begins(with: opener) {
      case .yes where opener == reasoningOpen && place == .beforeReply:
        pending.drop(opener.bytes.count)
        stage = .reasoning(atStart: true)
        return true
      case .yes:
        openCall(opener, after: space)
        return true
      case .undecided: isUndecided = true
      case .no: break
      }
    }
    if isUndecided, !atEnd { return false }
    if format.syntax == .llama, !tools.isEmpty, !pending.isEmpty, pending[0] == UInt8(ascii: "{") {
      stage = .call(CallObjectsReader(format.syntax, tools: tools, raw: space))
      return true
    }
    if pending.isEmpty {
      if place != .afterCall { output.content(space) }
      stage = .content
      return false
    }
    output.content(space)
    stage = .content
    return true
  }

  private mutating func readReasoning(atStart: Bool, atEnd: Bool) -> Bool {
    guard let reasoningOpen, let reasoningClose else {
      stage = .content
      return true
    }
    if atStart {
      // A model may open the tag again that its prompt has opened.
      pending.dropLineBreaks()
      switch pending.begins(with: reasoningOpen) {
      case .undecided where !atEnd: return false
      case .yes: pending.drop(reasoningOpen.bytes.count)
      default: stage = .reasoning(atStart: false)
      }
      return true
    }
    let ends = [reasoningClose] + reasoningBreakers
    if let (marker, offset) = pending.first(of: ends) {
      let kept = pending.withoutLineBreaks(offset)
      output.reasoning(pending.take(kept))
      let space = pending.take(offset - kept)
      if marker == reasoningClose {
        pending.drop(marker.bytes.count)
        stage = .blank(.afterReasoning, "")
      } else {
        openCall(marker, after: space)
      }
      return true
    }
    let certain = atEnd ? pending.count : pending.withoutLineBreaks(pending.certain(before: ends))
    output.reasoning(pending.take(certain))
    return false
  }

  private mutating func readContent(atEnd: Bool) -> Bool {
    if let (marker, offset) = pending.first(of: callOpeners) {
      let kept = pending.withoutLineBreaks(offset)
      output.content(pending.take(kept))
      openCall(marker, after: pending.take(offset - kept))
      return true
    }
    let certain =
      atEnd || callOpeners.isEmpty
      ? pending.count : pending.withoutLineBreaks(pending.certain(before: callOpeners))
    output.content(pending.take(certain))
    return false
  }

  /// `marker` is the beginning of the pending text.
  private mutating func openCall(_ marker: Marker, after space: String) {
    if let section = SectionMarkers(format.syntax) {
      stage = .call(SectionReader(section, syntax: format.syntax, raw: space))
    } else {
      pending.drop(marker.bytes.count)
      let raw = space + marker.text
      if let tags = CallTags(format.syntax) {
        stage = .call(TaggedCallReader(tags, tools: tools, raw: raw))
      } else {
        stage = .call(CallObjectsReader(format.syntax, tools: tools, raw: raw))
      }
    }
  }
}
