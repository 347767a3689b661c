/// What stands before `<|message|>`: a role, a channel, a recipient and the form of the body, most of them optional.
///
/// Models double words and put them where they do not belong: the last channel and the first recipient count.
struct HarmonyHeader {
  private(set) var channel: String?
  private(set) var recipient: String?
  /// A tool is the message's author: models go on with what they think that it answers.
  private(set) var isFromTool = false
  /// What follows the words a header has, which is the body where `<|message|>` was left out.
  private(set) var body = ""

  private static let channels = ["analysis", "commentary", "final"]
  private static let markers = ["<|start|>", "<|channel|>", "<|constrain|>"]

  /// Nil for a role that is neither the assistant's nor a tool's, and for what no header has. `isWhole`: `<|message|>`
  /// follows.
  init?(_ text: String, isWhole: Bool) {
    var words = Self.words(text)[...]
    var isFirst = true
    while let word = words.first {
      switch word.text {
      case "<|start|>":
        let role = words.dropFirst().first?.text
        guard isFirst || role == "assistant" else { return nil }
        if let role, isWhole, Self.isTool(role, words.dropFirst(2).map(\.text)) {
          (isFromTool, words) = (true, words.dropFirst())
          break
        }
        guard let role, role == "assistant" || role.hasPrefix("to=") || Self.markers.contains(role) else { return nil }
      case "assistant", "json", "code": break
      case "<|constrain|>":
        // The form of the body, which is read as what it is.
        if let form = words.dropFirst().first?.text, isWhole, !form.hasPrefix("<"), !form.hasPrefix("to=") {
          words = words.dropFirst()
        }
      case "<|channel|>":
        if let name = words.dropFirst().first?.text, Self.channels.contains(name) {
          (channel, words) = (name, words.dropFirst())
        }
      case _ where word.text.hasPrefix("to="):
        if recipient == nil { recipient = String(word.text.dropFirst(3)) }
      case _ where Self.channels.contains(word.text): break
      default:
        guard !isWhole else { return nil }
        body = String(decoding: text.utf8.dropFirst(word.start), as: UTF8.self)
        return
      }
      isFirst = false
      words = words.dropFirst()
    }
  }

  /// Whether a message's author is a tool: it is named as one, or `rest` of the header addresses the assistant.
  private static func isTool(_ author: String, _ rest: [String]) -> Bool {
    if ["assistant", "user", "system", "developer"].contains(author) { return false }
    let letters = author.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "_-.".utf8.contains(byte)
    }
    guard letters else { return false }
    let isNamed = ["functions.", "browser.", "python"].contains { author.hasPrefix($0) }
    return isNamed || author == "tool" || rest.contains("to=assistant")
  }

  /// The words with where they begin, in bytes; markers are words, and a recipient is one even where no space is before
  /// it.
  private static func words(_ text: String) -> [(text: String, start: Int)] {
    let bytes = Array(text.utf8)
    var words: [(text: String, start: Int)] = []
    var at = 0
    while at < bytes.count {
      if isWhitespace(bytes[at]) {
        at += 1
        continue
      }
      let rest = bytes[at...]
      if let marker = markers.first(where: { rest.starts(with: $0.utf8) }) {
        words.append((marker, at))
        at += marker.utf8.count
        continue
      }
      var end = at + 1
      while end < bytes.count, !isWhitespace(bytes[end]), bytes[end] != UInt8(ascii: "<"),
        bytes[end] != UInt8(ascii: "{")
      {
        if bytes[end...].starts(with: "to=".utf8), channels.contains(String(decoding: bytes[at..<end], as: UTF8.self)) {
          break
        }
        end += 1
      }
      words.append((String(decoding: bytes[at..<end], as: UTF8.self), at))
      at = end
    }
    return words
  }
}
