/// Watches a stream of text for strings that end it, holding back what may be the start of one. Text that is not shown,
/// which special tokens have, counts too.
package struct StopStrings: Sendable {
  private let strings: [[UInt8]]
  private var held: [UInt8] = []
  /// The string that was met, once one was.
  package private(set) var matched: String?
  /// Which of the bytes held are shown.
  private var isShown: [Bool] = []

  package init(_ strings: [String]) { self.strings = strings.filter { !$0.isEmpty }.map { Array($0.utf8) } }

  /// Text that can be shown, and whether a stop string was met; nothing after it is ever shown.
  package mutating func push(_ text: String, isHidden: Bool = false) -> (shown: String, isStopped: Bool) {
    guard !strings.isEmpty else { return (isHidden ? "" : text, false) }
    held += text.utf8
    isShown += Array(repeating: !isHidden, count: text.utf8.count)
    var first: Int?
    for string in strings {
      if let at = Self.firstIndex(of: string, in: held), at < first ?? .max {
        (first, matched) = (at, String(decoding: string, as: UTF8.self))
      }
    }
    if let first {
      defer { (held, isShown) = ([], []) }
      return (shown(first), true)
    }
    // The longest tail that begins a stop string stays back.
    var keep = 0
    for stop in strings {
      for length in stride(from: min(stop.count - 1, held.count), to: keep, by: -1)
      where held.suffix(length).elementsEqual(stop.prefix(length)) {
        keep = length
        break
      }
    }
    let text = shown(held.count - keep)
    isShown.removeFirst(held.count - keep)
    held.removeFirst(held.count - keep)
    return (text, false)
  }

  /// What was held back, when no more text comes.
  package mutating func flush() -> String {
    defer { (held, isShown) = ([], []) }
    return shown(held.count)
  }

  private func shown(_ count: Int) -> String {
    String(decoding: zip(held, isShown).prefix(count).filter(\.1).map(\.0), as: UTF8.self)
  }

  private static func firstIndex(of needle: [UInt8], in bytes: [UInt8]) -> Int? {
    guard needle.count <= bytes.count else { return nil }
    return (0...(bytes.count - needle.count)).first { at in bytes[at..<(at + needle.count)].elementsEqual(needle) }
  }
}
