import JSON

/// Reads a call that is a JSON object, byte by byte: its name, and its arguments as they come.
///
/// The call has begun once its name is known and its arguments are; what came before is then no longer `raw`.
struct CallObjectScanner: Sendable {
  private enum Stage: Sendable {
    case object, keyOrEnd, key, afterKey, value, string, nested, word, afterValue, onlyKey, end, failed
  }

  private enum Member: Sendable { case name, arguments, other }

  /// What could be content yet: since the beginning, or since the arguments' end.
  private(set) var raw: [UInt8] = []
  /// Arguments that can be given out.
  private(set) var arguments: [UInt8] = []
  private(set) var hasBegun = false
  private(set) var name: String?
  private let needsArguments: Bool
  private let accepts: @Sendable (String) -> Bool
  private var stage = Stage.object
  private var member = Member.other
  private var token: [UInt8] = []
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  private var hasArguments = false
  private var hasWholeArguments = false

  /// `isUnmarked`: nothing but its form tells a call from other JSON, so that only members a call has are allowed, and
  /// arguments must be there. `accepts`: whether a function may have this name.
  init(isUnmarked: Bool, accepts: @escaping @Sendable (String) -> Bool) {
    needsArguments = isUnmarked
    self.accepts = accepts
  }

  var isAtEnd: Bool { stage == .end }
  var hasFailed: Bool { stage == .failed }
  var hasClosedArguments: Bool { hasWholeArguments }

  mutating func takeArguments() -> String {
    defer { arguments = [] }
    return String(decoding: arguments, as: UTF8.self)
  }

  /// Takes a byte; after a failure `raw` ends with it.
  mutating func take(_ byte: UInt8) {
    // Arguments on their way out are not content too.
    let isArgument = hasBegun && stage == .nested && member == .arguments
    if !isArgument { raw.append(byte) }
    switch stage {
    case .object: stage = isWhitespace(byte) ? .object : byte == UInt8(ascii: "{") ? .keyOrEnd : .failed
    case .keyOrEnd where byte == UInt8(ascii: "}"): finish()
    case .afterValue where byte == UInt8(ascii: "}"): finish()
    case .keyOrEnd, .onlyKey:
      if isWhitespace(byte) { return }
      (stage, token) = (byte == UInt8(ascii: "\"") ? .key : .failed, [byte])
    case .key: if closesString(byte) { endKey() }
    case .afterKey: if !isWhitespace(byte) { stage = byte == UInt8(ascii: ":") ? .value : .failed }
    case .value: if !isWhitespace(byte) { beginValue(byte) }
    case .string: if closesString(byte) { endString() }
    case .nested: takeNested(byte)
    case .word:
      if byte == UInt8(ascii: "}") || byte == UInt8(ascii: ",") || isWhitespace(byte) {
        endWord()
        if stage == .afterValue { takeAfterValue(byte) }
      } else { token.append(byte) }
    case .afterValue: takeAfterValue(byte)
    case .end, .failed: stage = .failed
    }
  }

  private mutating func takeAfterValue(_ byte: UInt8) {
    if isWhitespace(byte) { return }
    if byte == UInt8(ascii: "}") { return finish() }
    stage = byte == UInt8(ascii: ",") ? .onlyKey : .failed
  }

  /// Adds a byte of a string to `token`; true when the string ends with it.
  private mutating func closesString(_ byte: UInt8) -> Bool {
    token.append(byte)
    if isEscaped {
      isEscaped = false
    } else if byte == UInt8(ascii: "\\") {
      isEscaped = true
    } else {
      return byte == UInt8(ascii: "\"")
    }
    return false
  }

  private mutating func endKey() {
    stage = .afterKey
    switch try? JSONValue(parsing: token).string {
    case "name" where name == nil: member = .name
    case "arguments" where !hasArguments, "parameters" where !hasArguments: member = .arguments
    case "name", "arguments", "parameters", nil: stage = .failed
    case "type", "id": member = .other
    default: if needsArguments { stage = .failed } else { member = .other }
    }
  }

  private mutating func beginValue(_ byte: UInt8) {
    token = [byte]
    switch byte {
    case UInt8(ascii: "\""): stage = .string
    case UInt8(ascii: "{"), UInt8(ascii: "["): (stage, depth) = (.nested, 1)
    default: stage = .word
    }
    switch member {
    case .name: if stage != .string { stage = .failed }
    case .arguments:
      hasArguments = true
      if byte == UInt8(ascii: "{") {
        arguments = [byte]
        if name != nil { begin() }
      } else if byte == UInt8(ascii: "[") { stage = .failed }
    case .other: break
    }
  }

  private mutating func endString() {
    stage = .afterValue
    guard member != .other else { return }
    guard let text = try? JSONValue(parsing: token).string else { return stage = .failed }
    if member == .name {
      guard accepts(text) else { return stage = .failed }
      name = text
      if hasWholeArguments { begin() }
    } else {
      // Some models write the arguments as the text of an object.
      guard (try? JSONValue(parsing: text, limits: JSONLimits(depth: 64)))?.object != nil else {
        return stage = .failed
      }
      arguments = Array(text.utf8)
      endArguments()
    }
  }

  private mutating func endWord() {
    stage = .afterValue
    guard member == .arguments else { return }
    guard token == Array("null".utf8) else { return stage = .failed }
    arguments = Array("{}".utf8)
    endArguments()
  }

  private mutating func takeNested(_ byte: UInt8) {
    if member == .arguments { arguments.append(byte) }
    if isInString {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") { isInString = false }
      return
    }
    switch byte {
    case UInt8(ascii: "\""): isInString = true
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      guard depth == 0 else { return }
      stage = .afterValue
      if member == .arguments { endArguments() }
    default: break
    }
  }

  private mutating func endArguments() {
    hasWholeArguments = true
    if name != nil, !hasBegun { begin() }
  }

  private mutating func begin() {
    hasBegun = true
    raw = []
  }

  private mutating func finish() {
    guard name != nil, hasArguments || !needsArguments else { return stage = .failed }
    if !hasArguments {
      arguments = Array("{}".utf8)
      hasWholeArguments = true
      begin()
    }
    stage = .end
  }
}
