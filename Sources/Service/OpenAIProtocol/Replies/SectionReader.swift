/// Reads DeepSeek's, Kimi's and Solar's sections of calls.
struct SectionReader: CallReader {
  private enum Stage {
    /// Before a call or the section's end.
    case between
    case head
    case arguments
  }

  private let syntax: ToolCallFormat.Syntax
  private let names: CallNames
  private let opens, callOpens, argumentsOpens, callCloses, closes: [Marker]
  /// A fence is no part of the arguments.
  private let fencedCloses: [Marker]
  private let brace = Marker("{")
  private var stage = Stage.between
  /// What was taken since the last call, and would be content if no call followed.
  private var raw: String
  /// The section has just begun, so that a call may follow without its own beginning.
  private var hasJustOpened = false
  private var hasCalls = false
  private var arguments = ArgumentsText()

  init(_ markers: SectionMarkers, syntax: ToolCallFormat.Syntax, tools: [ToolDefinition], raw: String) {
    self.syntax = syntax
    self.raw = raw
    names = CallNames(tools)
    opens = SectionMarkers.spellings(markers.open)
    callOpens = SectionMarkers.spellings(markers.callOpen)
    argumentsOpens = SectionMarkers.spellings(markers.argumentsOpen)
    callCloses = SectionMarkers.spellings(markers.callClose)
    closes = SectionMarkers.spellings(markers.close)
    fencedCloses = syntax == .kimi || syntax == .solar ? [] : callCloses.map { Marker("\n```" + $0.text) }
  }

  mutating func read(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress {
    while true {
      let progress: CallProgress?
      switch stage {
      case .between: progress = readBetween(&pending, into: &output)
      case .head: progress = readHead(&pending, into: &output)
      case .arguments: progress = readArguments(&pending, into: &output)
      }
      if let progress { return progress }
    }
  }

  private mutating func fail(into output: inout ReplyOutput) -> CallProgress {
    output.content(raw)
    return .failed
  }

  private mutating func readBetween(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    if hasCalls, !pending.dropRepeated(callCloses) { return .needsMore }
    raw += pending.takeWhitespace()
    var isUndecided = pending.isEmpty
    for marker in hasCalls ? callOpens + closes : opens + callOpens + closes {
      switch pending.begins(with: marker) {
      case .no: continue
      case .undecided: isUndecided = true
      case .yes:
        raw += pending.take(marker.bytes.count)
        hasJustOpened = opens.contains(marker)
        if callOpens.contains(marker) { stage = .head }
        guard closes.contains(marker) else { return nil }
        return hasCalls ? .ended : fail(into: &output)
      }
    }
    if isUndecided, !pending.hasEnded { return .needsMore }
    // Without its end a section still was one.
    if hasCalls, raw.utf8.allSatisfy(isWhitespace) { return .ended }
    guard hasJustOpened, !pending.isEmpty else { return fail(into: &output) }
    (stage, hasJustOpened) = (.head, false)
    return nil
  }

  /// The function's name, up to what separates it from the arguments: a marker, or else their brace.
  private mutating func readHead(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    guard let (marker, offset) = pending.first(of: argumentsOpens + [brace] + callOpens + callCloses + closes) else {
      return pending.exceedsCallHead || pending.hasEnded ? fail(into: &output) : .needsMore
    }
    if callOpens.contains(marker), pending.prefix(offset).utf8.allSatisfy(isWhitespace) {
      // The beginning of the call, twice.
      raw += pending.take(offset + marker.bytes.count)
      return nil
    }
    guard offset <= longestCallHead, marker == brace || argumentsOpens.contains(marker) else {
      return fail(into: &output)
    }
    let head = pending.prefix(offset)
    if marker == brace {
      let alone = syntax == .solar ? Self.solarHead(head)?.name ?? "" : Self.kimiName(head)
      guard let name = names.name(Self.unfenced(alone), isUnmarked: true) else { return fail(into: &output) }
      pending.drop(offset)
      begin(name, head: head, into: &output)
      return nil
    }
    var rest = pending
    rest.drop(offset + marker.bytes.count)
    guard rest.dropRepeated(argumentsOpens) else { return .needsMore }
    let type = Self.trimmed(head)
    if syntax == .deepSeekFenced || syntax == .deepSeekPlain, type.isEmpty || type == "function" {
      if let progress = readTypedHead(&rest, type: type, into: &output) { return progress }
      pending = rest
      return nil
    }
    let alone =
      switch syntax {
      case .kimi: Self.kimiName(head)
      case .solar: Self.solarHead(head)?.name ?? ""
      default: head
      }
    guard let name = names.name(alone) else { return fail(into: &output) }
    pending = rest
    begin(name, head: head, into: &output)
    return nil
  }

  /// After the type and the separator: the name up to the line's end, a fence or the arguments.
  private mutating func readTypedHead(
    _ rest: inout PendingText, type: String, into output: inout ReplyOutput
  ) -> CallProgress? {
    var ahead = rest
    _ = ahead.takeWhitespace()
    if ahead.isEmpty, !rest.hasEnded { return rest.exceedsCallHead ? fail(into: &output) : .needsMore }
    if !ahead.isEmpty, ahead[0] == UInt8(ascii: "{"), names.contains(type) {
      begin(type, head: type, into: &output)
      return nil
    }
    let ends = [Marker("\n"), Marker("```"), brace] + callOpens + callCloses + closes
    guard let (marker, offset) = ahead.first(of: ends), offset <= longestCallHead else {
      return ahead.exceedsCallHead || rest.hasEnded ? fail(into: &output) : .needsMore
    }
    let name = ahead.take(offset)
    var body = ahead
    let space = body.takeWhitespace()
    if body.isEmpty, !rest.hasEnded {
      return body.count + space.utf8.count > longestCallHead ? fail(into: &output) : .needsMore
    }
    let isCall = !body.isEmpty && (body[0] == UInt8(ascii: "{") || body[0] == UInt8(ascii: "`") || marker.text == "\n")
    guard isCall, let name = names.name(name) else { return fail(into: &output) }
    rest = body
    begin(name, head: name, into: &output)
    return nil
  }

  private mutating func begin(_ name: String, head: String, into output: inout ReplyOutput) {
    output.beginCall(name, id: Self.trimmed(head))
    (hasCalls, raw, stage, arguments) = (true, "", .arguments, ArgumentsText())
  }

  private mutating func readArguments(_ pending: inout PendingText, into output: inout ReplyOutput) -> CallProgress? {
    let ends = fencedCloses + callCloses + closes + callOpens
    if let (marker, offset) = pending.first(of: ends) {
      arguments.take(pending.take(offset), into: &output)
      arguments.end(isClosed: true, into: &output)
      stage = .between
      if !callOpens.contains(marker) { pending.drop(marker.bytes.count) }
      return closes.contains(marker) ? .ended : nil
    }
    guard pending.hasEnded else {
      arguments.take(pending.take(pending.certain(before: ends)), into: &output)
      return .needsMore
    }
    arguments.take(pending.takeAll(), into: &output)
    arguments.end(isClosed: false, into: &output)
    return .ended
  }

  /// The id and the name before Solar's arguments; nil for other text in the id's place, which nobody would see.
  static func solarHead(_ head: String) -> (id: String, name: String)? {
    guard let range = head.firstRange(of: SectionMarkers.solarName) else { return ("", head) }
    let id = trimmed(String(head[..<range.lowerBound]))
    guard id.utf8.count <= 64, id.utf8.allSatisfy({ $0 < 0x80 && Character(UnicodeScalar($0)).isASCIIWord }) else {
      return nil
    }
    return (id, String(head[range.upperBound...]))
  }

  /// `functions.NAME:INDEX` without what is around the name.
  private static func kimiName(_ head: String) -> String {
    var name = trimmed(head)[...]
    if name.hasPrefix("functions.") { name = name.dropFirst("functions.".count) }
    if let colon = name.lastIndex(of: ":"), name[colon...].dropFirst().allSatisfy(\.isNumber) { name = name[..<colon] }
    return String(name)
  }

  /// A name without the fence after it.
  private static func unfenced(_ head: String) -> String {
    trimmed(String(head.prefix { $0 != "`" && $0 != "\n" && $0 != "\r\n" }))
  }

  /// A text without whitespace at its ends.
  static func trimmed(_ text: String) -> String {
    let bytes = Array(text.utf8)
    guard let first = bytes.firstIndex(where: { !isWhitespace($0) }),
      let last = bytes.lastIndex(where: { !isWhitespace($0) })
    else { return "" }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }
}

extension Character {
  /// A letter, a digit, or what joins them in identifiers.
  fileprivate var isASCIIWord: Bool { isASCII && (isLetter || isNumber || self == "_" || self == "-") }
}
