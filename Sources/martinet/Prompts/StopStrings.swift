/// Watches a stream of text for strings that end it, holding back what may be the start of one.
struct StopStrings {
  private let strings: [String]
  private var held = ""

  init(_ strings: [String]) { self.strings = strings.filter { !$0.isEmpty } }

  /// Text that can be shown, and whether a stop string was met; nothing after it is ever shown.
  mutating func push(_ text: String) -> (shown: String, isStopped: Bool) {
    held += text
    guard !strings.isEmpty else { return (flush(), false) }
    let bytes = Array(held.utf8)
    var first: Int?
    for string in strings {
      if let at = Self.firstIndex(of: Array(string.utf8), in: bytes), at < first ?? .max { first = at }
    }
    if let first {
      held = ""
      return (String(decoding: bytes[..<first], as: UTF8.self), true)
    }
    // The longest tail that begins a stop string stays back.
    var keep = 0
    for string in strings {
      let stop = Array(string.utf8)
      for length in stride(from: min(stop.count - 1, bytes.count), to: keep, by: -1)
      where bytes.suffix(length).elementsEqual(stop.prefix(length)) {
        keep = length
        break
      }
    }
    held = String(decoding: bytes.suffix(keep), as: UTF8.self)
    return (String(decoding: bytes.dropLast(keep), as: UTF8.self), false)
  }

  /// What was held back, when no more text comes.
  mutating func flush() -> String {
    defer { held = "" }
    return held
  }

  private static func firstIndex(of needle: [UInt8], in bytes: [UInt8]) -> Int? {
    guard needle.count <= bytes.count else { return nil }
    return (0...(bytes.count - needle.count)).first { at in bytes[at..<(at + needle.count)].elementsEqual(needle) }
  }
}
