import JSON

/// Reads a call that is a JSON object, byte by byte: its name, and its arguments as they come, mended where they need
/// it.
///
/// The call has begun once its name is known and its arguments are; what came before is then no longer `raw`.
struct CallObjectScanner: Sendable {
  private enum Stage: Sendable {
    case object, keyOrEnd, key, afterKey, value, string, nested, word, afterValue, onlyKey, end, failed
  }

  private enum Member: Sendable { case name, function, arguments, other }

  /// What could be content yet: since the beginning, or since the arguments' end.
  private(set) var raw: [UInt8] = []
  /// Arguments that can be given out.
  private(set) var arguments: [UInt8] = []
  private(set) var hasBegun = false
  private(set) var name: String?
  private let needsArguments: Bool
  private var mender = JSONMender(strictDepth: 1)
  /// Objects that hold the call's own members: `"function": {"name": …}`.
  private var wrappers = 0
  private let names: CallNames
  private var stage = Stage.object
  private var member = Member.other
  private var token: [UInt8] = []
  private var depth = 0
  private var isInText = false
  private var isEscaped = false
  private var hasArguments = false
  private var hasWholeArguments = false

  /// `isUnmarked`: nothing but its form tells a call from other JSON, so that only members a call has are allowed, and
  /// arguments must be there, and the function must be one of those offered.
  init(isUnmarked: Bool, names: CallNames) {
    needsArguments = isUnmarked
    self.names = names
  }

  var isAtEnd: Bool { stage == .end }
  var hasFailed: Bool { stage == .failed }
  var hasClosedArguments: Bool { hasWholeArguments }

  /// Markers here are text of the call's.
  var isInString: Bool { mender.isInString }

  mutating func takeArguments() -> String {
    defer { arguments = [] }
    return String(decoding: arguments, as: UTF8.self)
  }

  /// Takes a byte as the model wrote it; after a failure `raw` ends with it.
  mutating func take(_ byte: UInt8) {
    if stage == .object, byte != UInt8(ascii: "{") {
      raw.append(byte)
      if !isWhitespace(byte) { stage = .failed }
      return
    }
    let hadEnded = hasBegun && hasWholeArguments
    mender.take(byte)
    readMended()
    // Arguments on their way out are not content too.
    if !hasBegun || hadEnded || stage == .failed { raw.append(byte) }
  }

  /// Ends the object: with what it lacks, if `closing`, or where it breaks off.
  mutating func finish(closing: Bool) {
    mender.finish(closing: closing)
    readMended()
  }

  private mutating func readMended() {
    for byte in mender.takeOutput() { read(byte) }
    if mender.place == .failed { stage = .failed }
  }

  private mutating func read(_ byte: UInt8) {
    switch stage {
    case .object: stage = byte == UInt8(ascii: "{") ? .keyOrEnd : .failed
    case .keyOrEnd where byte == UInt8(ascii: "}"): endObject()
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
      } else {
        token.append(byte)
      }
    case .afterValue: takeAfterValue(byte)
    case .end, .failed: stage = .failed
    }
  }

  private mutating func takeAfterValue(_ byte: UInt8) {
    if isWhitespace(byte) { return }
    if byte == UInt8(ascii: "}") { return endObject() }
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
    case "function" where name == nil: member = .function
    case "arguments" where !hasArguments, "parameters" where !hasArguments: member = .arguments
    case "name", "arguments", "parameters", nil: stage = .failed
    case "type", "id": member = .other
    default: if needsArguments { stage = .failed } else { member = .other }
    }
  }

  private mutating func beginValue(_ byte: UInt8) {
    token = [byte]
    if member == .function {
      guard byte != UInt8(ascii: "{") else {
        (stage, wrappers) = (.keyOrEnd, wrappers + 1)
        return
      }
      member = .name
    }
    switch byte {
    case UInt8(ascii: "\""): stage = .string
    case UInt8(ascii: "{"), UInt8(ascii: "["): (stage, depth) = (.nested, 1)
    default: stage = .word
    }
    switch member {
    case .name: if stage != .string { stage = .failed }
    case .arguments:
      hasArguments = true
      if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { arguments = [byte] }
      if byte == UInt8(ascii: "{"), name != nil { begin() }
    case .other, .function: break
    }
  }

  private mutating func endString() {
    stage = .afterValue
    guard member != .other else { return }
    guard let text = try? JSONValue(parsing: token).string else {
      stage = .failed
      return
    }
    if member == .name {
      guard let known = names.name(text, isUnmarked: needsArguments) else {
        stage = .failed
        return
      }
      name = known
      if hasWholeArguments { begin() }
    } else {
      // Some models write the arguments as the text of an object.
      guard let object = JSONMender.object(text) else {
        stage = .failed
        return
      }
      arguments = Array(object.utf8)
      endArguments()
    }
  }

  private mutating func endWord() {
    stage = .afterValue
    guard member == .arguments else { return }
    guard token == Array("null".utf8) else {
      stage = .failed
      return
    }
    arguments = Array("{}".utf8)
    endArguments()
  }

  private mutating func takeNested(_ byte: UInt8) {
    if member == .arguments { arguments.append(byte) }
    if isInText {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInText = false
      }
      return
    }
    switch byte {
    case UInt8(ascii: "\""): isInText = true
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      guard depth == 0 else { return }
      stage = .afterValue
      guard member == .arguments else { return }
      if arguments.first == UInt8(ascii: "["), !hasBegun {
        // An empty list means no arguments.
        guard arguments.dropFirst().dropLast().allSatisfy(isWhitespace) else {
          stage = .failed
          return
        }
        arguments = Array("{}".utf8)
      }
      endArguments()
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

  private mutating func endObject() {
    if wrappers > 0 {
      (stage, wrappers) = (.afterValue, wrappers - 1)
      return
    }
    guard name != nil, hasArguments || !needsArguments else {
      stage = .failed
      return
    }
    if !hasArguments {
      arguments = Array("{}".utf8)
      hasWholeArguments = true
      begin()
    }
    stage = .end
  }
}
