/// Reads DeepSeek's and Kimi's sections of calls.
struct SectionReader: CallReader {
  private enum Stage {
    /// Before a call or the section's end.
    case between
    case head
    case arguments
  }

  private let syntax: ToolCallFormat.Syntax
  private let open, callOpen, argumentsOpen, callClose, close: Marker
  private let fencedCallClose: Marker
  private let fence = Marker("```json\n")
  private let fenceClose = "\n```"
  private var stage = Stage.between
  /// What was taken since the last call, and would be content if no call followed.
  private var raw: String
  private var mayOpen = true
  private var hasCalls = false

  init(_ markers: SectionMarkers, syntax: ToolCallFormat.Syntax, raw: String) {
    self.syntax = syntax
    self.raw = raw
    open = Marker(markers.open)
    callOpen = Marker(markers.callOpen)
    argumentsOpen = Marker(markers.argumentsOpen)
    callClose = Marker(markers.callClose)
    close = Marker(markers.close)
    fencedCallClose = Marker(fenceClose + markers.callClose)
  }

  mutating func read(_ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .between: progress = readBetween(&pending, atEnd: atEnd, into: &output)
      case .head: progress = readHead(&pending, atEnd: atEnd, into: &output)
      case .arguments: progress = readArguments(&pending, atEnd: atEnd, into: &output)
      }
      if let progress { return progress }
    }
  }

  private mutating func fail(into output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }

  private mutating func readBetween(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    raw += pending.takeWhitespace()
    let openers = mayOpen ? [open, callOpen] : [callOpen, close]
    var isUndecided = pending.isEmpty
    for marker in openers {
      switch pending.begins(with: marker) {
      case .no: continue
      case .undecided: isUndecided = true
      case .yes:
        raw += pending.take(marker.bytes.count)
        mayOpen = false
        if marker == callOpen { stage = .head }
        guard marker == close else { return nil }
        return hasCalls ? .ended : fail(into: &output)
      }
    }
    if isUndecided, !atEnd { return .needsMore }
    // Without its end a section still was one.
    if hasCalls, raw.utf8.allSatisfy(isWhitespace) { return .ended }
    return fail(into: &output)
  }

  private mutating func readHead(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    guard let (marker, offset) = pending.first(of: [argumentsOpen, callOpen, callClose, close]) else {
      return pending.exceedsCallHead || atEnd ? fail(into: &output) : .needsMore
    }
    guard marker == argumentsOpen, offset <= longestCallHead else { return fail(into: &output) }
    if syntax == .deepSeekFenced { return readFencedHead(&pending, typeLength: offset, atEnd: atEnd, into: &output) }
    var name = pending.prefix(offset)
    if syntax == .kimi { name = Self.kimiName(name) }
    name = Self.trimmed(name)
    guard !name.isEmpty else { return fail(into: &output) }
    pending.drop(offset + marker.bytes.count)
    begin(name, into: &output)
    return nil
  }

  /// `function`, the separator, the name, and the fence that opens the arguments.
  private mutating func readFencedHead(
    _ pending: inout PendingText, typeLength: Int, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    let nameStart = typeLength + argumentsOpen.bytes.count
    guard let length = (nameStart..<pending.count).first(where: { pending[$0] == 0x0A }).map({ $0 - nameStart }) else {
      return pending.count - nameStart > longestCallHead || atEnd ? fail(into: &output) : .needsMore
    }
    guard length <= longestCallHead else { return fail(into: &output) }
    var rest = pending
    rest.drop(nameStart)
    let name = Self.trimmed(rest.take(length))
    rest.drop(1)
    let isFunction = Self.trimmed(pending.prefix(typeLength)) == "function"
    switch rest.begins(with: fence) {
    case .undecided where !atEnd: return .needsMore
    case .yes where isFunction && !name.isEmpty: break
    default: return fail(into: &output)
    }
    rest.drop(fence.bytes.count)
    pending = rest
    begin(name, into: &output)
    return nil
  }

  private mutating func begin(_ name: String, into output: inout ReplyOutput) {
    output.beginCall(name)
    hasCalls = true
    raw = ""
    stage = .arguments
  }

  private mutating func readArguments(
    _ pending: inout PendingText, atEnd: Bool, into output: inout ReplyOutput
  ) -> CallProgress? {
    let ends = (syntax == .deepSeekFenced ? [fencedCallClose] : []) + [callClose, close, callOpen]
    if let (marker, offset) = pending.first(of: ends) {
      output.arguments(pending.take(offset))
      output.endCall(isClosed: true)
      stage = .between
      if marker != callOpen { pending.drop(marker.bytes.count) }
      return marker == close ? .ended : nil
    }
    guard atEnd else {
      output.arguments(pending.take(pending.certain(before: ends)))
      return .needsMore
    }
    var rest = pending.takeAll()
    if syntax == .deepSeekFenced, rest.utf8.reversed().starts(with: fenceClose.utf8.reversed()) {
      rest.unicodeScalars.removeLast(fenceClose.unicodeScalars.count)
    }
    output.arguments(rest)
    output.endCall(isClosed: false)
    return .ended
  }

  /// `functions.NAME:INDEX` without what is around the name.
  private static func kimiName(_ head: String) -> String {
    var name = trimmed(head)[...]
    if name.hasPrefix("functions.") { name = name.dropFirst("functions.".count) }
    if let colon = name.lastIndex(of: ":"), name[colon...].dropFirst().allSatisfy(\.isNumber) { name = name[..<colon] }
    return String(name)
  }

  static func trimmed(_ text: String) -> String {
    let bytes = Array(text.utf8)
    guard let first = bytes.firstIndex(where: { !isWhitespace($0) }),
      let last = bytes.lastIndex(where: { !isWhitespace($0) })
    else { return "" }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }
}
