extension ReplyParser {
  /// Takes what one stage can take; false when more text is needed, or at the end when nothing is left.
  mutating func step() -> Bool {
    switch stage {
    case .blank(let place, let space): return readBlank(place, after: space)
    case .reasoning(let atStart): return readReasoning(atStart: atStart)
    case .doubted(var reader): return judge(&reader)
    case .content: return readContent()
    case .call(var reader):
      // Only one owner of what the reader has gathered, so that nothing is copied.
      stage = .content
      let progress = reader.read(&pending, into: &output)
      switch progress {
      case .needsMore: stage = .call(reader)
      case .ended: stage = .blank(.afterCall, "")
      case .failed: stage = .content
      }
      return progress != .needsMore
    }
  }

  private mutating func readBlank(_ place: Place, after space: String) -> Bool {
    if place == .afterReasoning {
      pending.dropLineBreaks()
      if pending.isEmpty { return false }
      stage = .blank(.beforeContent, "")
      return true
    }
    let space = space + pending.takeWhitespace()
    stage = .blank(place, space)
    var isUndecided = pending.isEmpty
    if place == .beforeReply, let reasoningOpen {
      switch pending.begins(with: reasoningOpen) {
      case .yes:
        pending.drop(reasoningOpen.bytes.count)
        stage = .reasoning(atStart: true)
        return true
      case .undecided: isUndecided = true
      case .no: break
      }
    }
    // An end that comes twice.
    for end in ends(before: place) {
      switch pending.begins(with: end) {
      case .yes:
        pending.drop(end.bytes.count)
        stage = .blank(place == .afterCall ? .afterCall : .afterReasoning, "")
        return true
      case .undecided where place == .afterCall && pending.hasEnded && pending.count > 1:
        // Its beginning alone is where the reply was cut.
        pending.drop(pending.count)
        return true
      case .undecided: isUndecided = true
      case .no: break
      }
    }
    for marker in turnMarkers {
      switch pending.begins(with: marker) {
      case .yes:
        pending.drop(marker.bytes.count)
        return true
      case .undecided: isUndecided = true
      case .no: break
      }
    }
    for opener in openers.atStart {
      switch pending.begins(with: opener) {
      case .yes:
        openCall(opener, after: space)
        return true
      case .undecided: isUndecided = true
      case .no: break
      }
    }
    if isUndecided, !pending.hasEnded { return false }
    if place != .afterCall, !tools.isEmpty, !pending.isEmpty, CallOpeners.mayBeBare(format.syntax),
      Array("{[`".utf8).contains(pending[0])
    {
      stage = .call(CallObjectsReader(isUnmarked: true, tools: tools, raw: space))
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

  /// What has just ended, and may be ended once more.
  private func ends(before place: Place) -> [Marker] {
    switch place {
    case .beforeReply, .afterReasoning: []
    case .beforeContent: reasoningClose.map { [$0] } ?? []
    case .afterCall: openers.ends
    }
  }

  private mutating func readReasoning(atStart: Bool) -> Bool {
    guard let reasoningOpen, let reasoningClose else {
      stage = .content
      return true
    }
    if atStart {
      // A model may open the tag again that its prompt has opened.
      pending.dropLineBreaks()
      switch pending.begins(with: reasoningOpen) {
      case .undecided where !pending.hasEnded: return false
      case .yes:
        pending.drop(reasoningOpen.bytes.count)
        unclosed = nil
      default: stage = .reasoning(atStart: false)
      }
      return true
    }
    let ends = [reasoningClose] + openers.markers
    if let (marker, offset) = pending.first(of: ends) {
      let kept = pending.withoutLineBreaks(offset)
      think(pending.take(kept))
      if marker == reasoningClose {
        pending.drop(offset - kept + marker.bytes.count)
        (stage, unclosed) = (.blank(.afterReasoning, ""), nil)
      } else if openers.endReasoning {
        openCall(marker, after: pending.take(offset - kept))
      } else {
        heldSpace = pending.take(offset - kept)
        stage = .doubted(ReasoningCallReader(callParser, close: reasoningClose))
      }
      return true
    }
    let certain = pending.hasEnded ? pending.count : pending.withoutLineBreaks(pending.certain(before: ends))
    think(pending.take(certain))
    return false
  }

  private mutating func think(_ text: String) {
    output.reasoning(text)
    unclosed? += text
  }

  /// Reads calls, and all else as content.
  private var callParser: ReplyParser {
    ReplyParser(format: ToolCallFormat(syntax: format.syntax), tools: tools, identifiers: IdentifierSource { 0 })
  }

  private mutating func judge(_ reader: inout ReasoningCallReader) -> Bool {
    switch reader.judge(pending, isCutOff: output.isCutOff) {
    case .undecided:
      stage = .doubted(reader)
      return false
    case .reasoning(let count):
      think(heldSpace + pending.take(min(count, pending.count)))
      (stage, heldSpace) = (.reasoning(atStart: false), "")
    case .calls(let count):
      let calls = pending.take(count)
      pending.drop(pending.count)
      pending.append(calls)
      stage = .blank(.afterCall, "")
    }
    return true
  }

  private mutating func readContent() -> Bool {
    let markers = openers.inContent + turnMarkers
    if let (marker, offset) = pending.first(of: markers) {
      let kept = pending.withoutLineBreaks(offset)
      output.content(pending.take(kept))
      if turnMarkers.contains(marker) {
        pending.drop(offset - kept + marker.bytes.count)
        stage = .blank(.afterCall, "")
        return true
      }
      openCall(marker, after: pending.take(offset - kept))
      return true
    }
    let certain =
      pending.hasEnded || markers.isEmpty ? pending.count : pending.withoutLineBreaks(pending.certain(before: markers))
    output.content(pending.take(certain))
    return false
  }

  /// `marker` is the beginning of the pending text.
  private mutating func openCall(_ marker: Marker, after space: String) {
    if let section = SectionMarkers(format.syntax) {
      stage = .call(SectionReader(section, syntax: format.syntax, tools: tools, raw: space))
      return
    }
    if let tags = MarkupTags.of(format.syntax) {
      pending.drop(marker.bytes.count)
      stage = .call(MarkupCallReader(tags, tools: tools, isCall: marker == tags.call, raw: space + marker.text))
      return
    }
    guard openers.markers.contains(marker) else {
      stage = .call(unopenedReader(marker, after: space))
      return
    }
    pending.drop(marker.bytes.count)
    let raw = space + marker.text
    stage =
      switch format.syntax {
      case .mistral: .call(MistralCallReader(tools: tools, raw: raw))
      case .llama: .call(CallObjectsReader(isUnmarked: true, tools: tools, raw: raw))
      default: .call(ToolCallTagReader(format.syntax, tools: tools, raw: raw))
      }
  }

  private mutating func unopenedReader(_ marker: Marker, after space: String) -> any CallReader {
    if CallTags.functions.contains(marker) {
      return TaggedCallReader(.functions, tools: tools, isUnopened: true, raw: space)
    }
    guard format.syntax == .glm else { return UnopenedCallReader(tools: tools, raw: space) }
    let raw = space + pending.takeWhitespace()
    return TaggedCallReader(.keys, tools: tools, isUnopened: true, raw: raw)
  }
}
