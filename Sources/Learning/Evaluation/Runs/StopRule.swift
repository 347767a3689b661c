/// Ends an answer before the first of some strings; what a model thinks between `<think>` and `</think>`, and blanks
/// after that, end nothing.
///
/// Strings are found as bytes, as servers find them: to Swift a line break is no part of `\r\n`.
package struct StopRule: Sendable {
  private static let open = Array("<think>".utf8)
  private static let close = Array("</think>".utf8)
  private let stops: [[UInt8]]
  private let longest: Int
  private var isThinking: Bool
  private var mayBegin = true
  /// What is before this place is blank, while thinking may begin.
  private var begun = 0
  /// After thinking: nothing but blanks so far.
  private var isBlank = false
  /// What was written, up to a stop string, as UTF-8.
  private var bytes: [UInt8]
  package private(set) var isStopped = false
  /// From here on stop strings are looked for.
  private var start: Int

  /// What was written, up to a stop string.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// `prompt`: where it ends in `<think>`, the answer begins with thinking, and the text with that tag.
  package init(_ stops: [String], prompt: String = "") {
    self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }
    longest = self.stops.map(\.count).max() ?? 0
    isThinking = prompt[...].trimmed.hasSuffix("<think>")
    bytes = isThinking ? Self.open : []
    if isThinking { mayBegin = false }
    start = bytes.count
  }

  /// Takes what was written next; true once the answer has ended.
  package mutating func push(_ piece: String) -> Bool {
    guard !isStopped, !piece.isEmpty else { return isStopped }
    bytes.append(contentsOf: piece.utf8)
    // Nothing to look for.
    if stops.isEmpty { return false }
    if mayBegin {
      begun = afterBlanks(begun)
      let rest = bytes[begun...]
      if rest.starts(with: Self.open) {
        (isThinking, mayBegin) = (true, false)
      } else {
        mayBegin = Self.open.starts(with: rest)
      }
    }
    if isThinking {
      guard let end = first(Self.close) else {
        start = max(start, bytes.count - Self.close.count + 1)
        return false
      }
      (isThinking, isBlank, start) = (false, true, end + Self.close.count)
    }
    if isBlank {
      start = afterBlanks(start)
      guard start < bytes.count else { return false }
      isBlank = false
    }
    var end: Int?
    for stop in stops { if let place = first(stop), place < end ?? .max { end = place } }
    if let end {
      bytes.removeSubrange(end...)
      isStopped = true
    } else {
      // The next piece may complete a string that has begun.
      start = max(start, bytes.count - longest + 1)
    }
    return isStopped
  }

  /// The first place from `place` on that is not blank.
  private func afterBlanks(_ place: Int) -> Int {
    var place = place
    for scalar in String(decoding: bytes[place...], as: UTF8.self).unicodeScalars {
      guard scalar.properties.isWhitespace else { break }
      place += UTF8.width(scalar)
    }
    return place
  }

  /// Where `string`, which is not empty, first is from `start` on.
  private func first(_ string: [UInt8]) -> Int? {
    guard bytes.count - start >= string.count else { return nil }
    for place in start...(bytes.count - string.count) where bytes[place] == string[0] {
      if bytes[place..<(place + string.count)].elementsEqual(string) { return place }
    }
    return nil
  }
}
