import Bytes
import JSON

/// Reads one JSON object as models write it, byte by byte, and gives it out as JSON proper.
///
/// JSON proper comes out as it is. Mended are control characters, quotes and backslashes that a string should have
/// escaped; strings in single quotes, names without quotes, Python's words; commas and braces too many or too few; and,
/// where the text ends early, what is open. What cannot be told from the next few bytes is held back.
struct JSONMender: Sendable {
  enum Place: Sendable {
    /// Before a name, or the object's end.
    case key
    case colon
    case value
    /// Before an array's next value, or its end.
    case element
    case afterValue
    case string
    /// After a quote that ends the string, if what follows agrees.
    case closing
    case word
    case ended
    case failed
  }

  private(set) var place = Place.element
  /// The braces and brackets that would close what is open.
  private var closers: [UInt8] = []
  private var output: [UInt8] = []
  /// A comma and the whitespace after it, or what follows a quote that may end a string.
  private var held: [UInt8] = []
  private var word: [UInt8] = []
  /// The beginning of an escape sequence.
  private var escape: [UInt8] = []
  private var quote = UInt8(ascii: "\"")
  private var isName = false
  /// Objects so deep, and none outside of them, may lack commas before words.
  private let strictDepth: Int

  /// `strictDepth`: how many levels must be well formed enough that other text can be told from their members.
  init(strictDepth: Int = 0) { self.strictDepth = strictDepth }

  /// Takes what has been mended.
  mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// The object that a text holds, if it holds one and no more: JSON proper as it is, or mended.
  static func object(_ text: String) -> String? {
    let trimmed = SectionReader.trimmed(text)
    return trimmed.isEmpty ? "{}" : trimmed.utf8.first == UInt8(ascii: "{") ? container(trimmed) : nil
  }

  /// The object or array that a text holds.
  static func container(_ text: String) -> String? {
    let trimmed = SectionReader.trimmed(text)
    guard let first = trimmed.utf8.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return nil }
    if (try? JSONValue(parsing: trimmed, limits: JSONLimits(depth: 60))) != nil { return trimmed }
    var mender = JSONMender()
    for byte in trimmed.utf8 where mender.place != .ended { mender.take(byte) }
    mender.finish(closing: true)
    let mended = String(decoding: mender.takeOutput(), as: UTF8.self)
    return (try? JSONValue(parsing: mended, limits: JSONLimits(depth: 60))) == nil ? nil : mended
  }

  /// Nothing but the object's own text can follow.
  var isInString: Bool { place == .string }

  mutating func take(_ byte: UInt8) {
    switch place {
    case .key: takeKey(byte)
    case .colon: takeColon(byte)
    case .value: takeValue(byte)
    case .element: takeElement(byte)
    case .afterValue: takeAfterValue(byte)
    case .string: takeString(byte)
    case .closing: takeClosing(byte)
    case .word: takeWord(byte)
    case .ended, .failed: place = .failed
    }
  }

  /// Ends the text. `closing`: what is open is closed, so that the object is whole; otherwise what is held back comes
  /// out as it is.
  mutating func finish(closing: Bool) {
    guard place != .ended, place != .failed else { return }
    guard closing else {
      output += place == .closing ? [UInt8(ascii: "\"")] : []
      output += held + escape + word
      (held, escape, word) = ([], [], [])
      return
    }
    switch place {
    case .string, .closing:
      output.append(UInt8(ascii: "\""))
      if place == .string, isName { output += ": null".utf8 }
    case .word:
      let wasName = isName
      endWord()
      if wasName { output += ": null".utf8 }
    case .colon: output += ": null".utf8
    case .value: output += "null".utf8
    case .key, .element, .afterValue, .ended, .failed: break
    }
    (held, escape) = ([], [])
    output += closers.reversed()
    closers = []
    place = .ended
  }

  private mutating func takeKey(_ byte: UInt8) {
    switch byte {
    case _ where isWhitespace(byte): hold(byte)
    case UInt8(ascii: "}"), UInt8(ascii: "]"): close(byte)
    // One too many; so is a second brace, whose end is one too many, too.
    case UInt8(ascii: ","), UInt8(ascii: "{"): break
    case UInt8(ascii: "\""), UInt8(ascii: "'"): beginString(byte, isName: true)
    default: beginWord(byte, isName: true)
    }
  }

  private mutating func takeColon(_ byte: UInt8) {
    switch byte {
    case _ where isWhitespace(byte): output.append(byte)
    case UInt8(ascii: ":"), UInt8(ascii: "="):
      output.append(UInt8(ascii: ":"))
      place = .value
    case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
      output += ": null".utf8
      takeAfterValue(byte)
    default:
      output.append(UInt8(ascii: ":"))
      beginValue(byte)
    }
  }

  private mutating func takeValue(_ byte: UInt8) {
    switch byte {
    case _ where isWhitespace(byte): output.append(byte)
    case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
      output += "null".utf8
      takeAfterValue(byte)
    default: beginValue(byte)
    }
  }

  private mutating func takeElement(_ byte: UInt8) {
    switch byte {
    case _ where isWhitespace(byte): hold(byte)
    case UInt8(ascii: "]"), UInt8(ascii: "}"): close(byte)
    case UInt8(ascii: ","): break
    default: beginValue(byte)
    }
  }

  private mutating func takeAfterValue(_ byte: UInt8) {
    place = .afterValue
    switch byte {
    case _ where isWhitespace(byte): output.append(byte)
    case UInt8(ascii: ","):
      held = [byte]
      place = next
    case UInt8(ascii: "}"), UInt8(ascii: "]"): close(byte)
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "{"), UInt8(ascii: "["): insertComma(byte)
    default: if closers.count > strictDepth { insertComma(byte) } else { place = .failed }
    }
  }

  private mutating func insertComma(_ byte: UInt8) {
    held = [UInt8(ascii: ",")]
    place = next
    take(byte)
  }

  /// Where a comma leads.
  private var next: Place { closers.last == UInt8(ascii: "]") ? .element : .key }

  /// Whitespace stays behind a comma that may be one too many.
  private mutating func hold(_ byte: UInt8) { if held.isEmpty { output.append(byte) } else { held.append(byte) } }

  private mutating func giveHeld() {
    output += held
    held = []
  }

  /// Ends an object or array with the closer it needs; those inside it end first.
  private mutating func close(_ byte: UInt8) {
    output += held.dropFirst()
    held = []
    if closers.contains(byte) {
      while let last = closers.last, last != byte { output.append(closers.removeLast()) }
    }
    if let last = closers.popLast() { output.append(last) }
    place = closers.isEmpty ? .ended : .afterValue
  }

  private mutating func beginValue(_ byte: UInt8) {
    giveHeld()
    switch byte {
    case UInt8(ascii: "{"):
      closers.append(UInt8(ascii: "}"))
      output.append(byte)
      place = .key
    case UInt8(ascii: "["):
      closers.append(UInt8(ascii: "]"))
      output.append(byte)
      place = .element
    case UInt8(ascii: "\""), UInt8(ascii: "'"): beginString(byte, isName: false)
    default: beginWord(byte, isName: false)
    }
  }

  private mutating func beginString(_ byte: UInt8, isName: Bool) {
    giveHeld()
    (quote, self.isName, place) = (byte, isName, .string)
    output.append(UInt8(ascii: "\""))
  }

  private mutating func beginWord(_ byte: UInt8, isName: Bool) {
    giveHeld()
    (word, self.isName, place) = ([], isName, .word)
    takeWord(byte)
  }
}

// Strings and words.
extension JSONMender {
  private mutating func takeString(_ byte: UInt8) {
    if !escape.isEmpty { return takeEscaped(byte) }
    guard byte == quote else { return takeCharacter(byte) }
    if isName {
      output.append(UInt8(ascii: "\""))
      place = .colon
    } else {
      held = []
      place = .closing
    }
  }

  private mutating func takeCharacter(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\\"): escape = [byte]
    case UInt8(ascii: "\""): output += "\\\"".utf8
    case 0x08: output += "\\b".utf8
    case 0x09: output += "\\t".utf8
    case 0x0A: output += "\\n".utf8
    case 0x0C: output += "\\f".utf8
    case 0x0D: output += "\\r".utf8
    case 0..<0x20: output += ("\\u" + Digits.hexadecimal(byte, count: 4)).utf8
    default: output.append(byte)
    }
  }

  private mutating func takeEscaped(_ byte: UInt8) {
    if escape.count == 1 {
      switch byte {
      case UInt8(ascii: "u"): return escape.append(byte)
      case UInt8(ascii: "'"): output.append(byte)
      case _ where Array("\"\\/bfnrt".utf8).contains(byte): output += escape + [byte]
      default:
        // A backslash that stands for itself.
        output += "\\\\".utf8
        escape = []
        return takeString(byte)
      }
      escape = []
      return
    }
    let isDigit = (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66)
    guard isDigit else {
      output += "\\".utf8 + escape
      escape = []
      return takeString(byte)
    }
    escape.append(byte)
    if escape.count == 6 {
      output += escape
      escape = []
    }
  }

  /// The quote ends its string if the object can go on after it; if not, it should have been escaped.
  private mutating func takeClosing(_ byte: UInt8) {
    if isWhitespace(byte) { return held.append(byte) }
    let isQuote = byte == UInt8(ascii: "\"") || byte == quote
    let isCloser = byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
    if let comma = held.firstIndex(of: UInt8(ascii: ",")) {
      // A name without quotes shows itself by its colon.
      let word = held[(comma + 1)...].drop(while: isWhitespace)
      let mayBeName = next == .key && Self.isNameByte(byte) && word.count < longestCallHead
      if mayBeName, !word.contains(where: isWhitespace) { return held.append(byte) }
      if !word.isEmpty { return byte == UInt8(ascii: ":") ? endString(byte) : resumeString(byte) }
      let isElement = next == .element && Array("{[-0123456789tfnTFN".utf8).contains(byte)
      return isQuote || isCloser || isElement || byte == UInt8(ascii: ",") ? endString(byte) : resumeString(byte)
    }
    if byte == UInt8(ascii: ",") { return held.append(byte) }
    if isCloser || isQuote && held.contains(0x0A) { return endString(byte) }
    resumeString(byte)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == UInt8(ascii: "_")
  }

  private mutating func endString(_ byte: UInt8) { decide("\"", .afterValue, byte) }

  private mutating func resumeString(_ byte: UInt8) {
    decide(quote == UInt8(ascii: "\"") ? "\\\"" : "'", .string, byte)
  }

  /// Writes the quote that was in doubt, and takes what came behind it at the place where that turned out to be.
  private mutating func decide(_ text: String, _ place: Place, _ byte: UInt8) {
    output += text.utf8
    let behind = held + [byte]
    (held, self.place) = ([], place)
    for byte in behind { take(byte) }
  }

  private mutating func takeWord(_ byte: UInt8) {
    let ends = (isName ? " \t\n\r:=,}]" : "\n\r,}]").utf8.contains(byte)
    guard ends else { return word.append(byte) }
    endWord()
    take(byte)
  }

  private mutating func endWord() {
    let end = (word.lastIndex { !isWhitespace($0) } ?? -1) + 1
    let (text, space) = (String(decoding: word[..<end], as: UTF8.self), word[end...])
    word = []
    output += (isName ? JSONValue.string(text).text() : Self.value(text)).utf8
    output += space
    place = isName ? .colon : .afterValue
  }

  /// A word as JSON: as it is, what it means to Python, or as a string.
  static func value(_ word: String) -> String {
    switch word {
    case "True", "TRUE": return "true"
    case "False", "FALSE": return "false"
    case "None", "NULL", "NaN", "nan", "undefined", "Infinity", "-Infinity": return "null"
    default: return (try? JSONValue(parsing: word)) == nil ? JSONValue.string(word).text() : word
    }
  }
}
