import JSON

/// The arguments of a call as they come: an object, mended where it needs it, or else what the model wrote.
struct ArgumentsText: Sendable {
  private enum Form {
    /// Nothing but whitespace and a fence so far.
    case blank
    case object
    /// What may be an object's text as a string, or null.
    case held
    /// No object.
    case plain
    /// After the object.
    case ended
  }

  private var form = Form.blank
  private var mender = JSONMender()
  /// What is held back.
  private var raw: [UInt8] = []
  private var isInFence = false
  /// What follows the object, and is no part of it.
  private var rest: [UInt8] = []

  /// Markers here are text of the arguments'.
  var isInString: Bool { form == .object && mender.isInString }
  var isAfterObject: Bool { form == .ended }

  mutating func take(_ text: String, into output: inout ReplyOutput) {
    var given: [UInt8] = []
    for byte in text.utf8 { take(byte, into: &given) }
    output.arguments(String(decoding: given, as: UTF8.self))
  }

  private mutating func take(_ byte: UInt8, into given: inout [UInt8]) {
    switch form {
    case .blank: takeBlank(byte, into: &given)
    case .object:
      mender.take(byte)
      given += mender.takeOutput()
      if mender.place == .ended { form = .ended }
    case .held: raw.append(byte)
    case .plain: given.append(byte)
    case .ended:
      // Braces and fences after an object are too many.
      let isJunk = isWhitespace(byte) || Array("}]`".utf8).contains(byte)
      if !rest.isEmpty || !isJunk { rest.append(byte) }
    }
  }

  private mutating func takeBlank(_ byte: UInt8, into given: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "{"):
      (form, raw) = (.object, [])
      return take(byte, into: &given)
    case UInt8(ascii: "`"): isInFence = true
    case 0x0A: isInFence = false
    case _ where isWhitespace(byte): break
    case _ where isInFence && byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A: break
    case UInt8(ascii: "\""), UInt8(ascii: "n"), UInt8(ascii: "N"): form = .held
    default:
      form = .plain
      given += raw + [byte]
      raw = []
      return
    }
    raw.append(byte)
  }

  /// Ends the call. `isClosed`: the model marked the end.
  mutating func end(isClosed: Bool, into output: inout ReplyOutput) {
    let closes = isClosed || !output.isCutOff
    switch form {
    case .object:
      mender.finish(closing: closes)
      output.arguments(String(decoding: mender.takeOutput(), as: UTF8.self))
      output.endCall(isClosed: closes)
    case .held:
      output.arguments(held)
      output.endCall(isClosed: isClosed)
    case .ended: output.endCall(isClosed: true)
    case .blank, .plain: output.endCall(isClosed: closes)
    }
    if !rest.isEmpty { output.content(String(decoding: rest, as: UTF8.self)) }
    (form, raw, rest) = (.ended, [], [])
  }

  private var held: String {
    let text = String(decoding: raw, as: UTF8.self)
    let word = SectionReader.trimmed(text)
    if word == "null" || word == "None" { return "{}" }
    return (try? JSONValue(parsing: word).string).flatMap { $0 }.flatMap { JSONMender.object($0) } ?? text
  }
}
