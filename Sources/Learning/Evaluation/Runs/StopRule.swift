/// Ends an answer before the first of some strings; what a model thinks between `<think>` and `</think>`, and blanks
/// after that, end nothing.
package struct StopRule: Sendable {
  private static let close = "</think>"
  private let stops: [String]
  private var isThinking: Bool
  private var mayBegin = true
  /// After thinking: nothing but blanks so far.
  private var isBlank = false
  /// What was written, up to a stop string.
  package private(set) var text: String
  package private(set) var isStopped = false
  /// From here on stop strings are looked for: a place in the text's UTF-8.
  private var start = 0

  /// `prompt`: where it ends in `<think>`, the answer begins with thinking, and the text with that tag.
  package init(_ stops: [String], prompt: String = "") {
    self.stops = stops
    isThinking = prompt[...].trimmed.hasSuffix("<think>")
    text = isThinking ? "<think>" : ""
    if isThinking { mayBegin = false }
    start = text.utf8.count
  }

  /// Takes what was written next; true once the answer has ended.
  package mutating func push(_ piece: String) -> Bool {
    guard !isStopped, !piece.isEmpty else { return isStopped }
    text += piece
    // Nothing to look for.
    if stops.isEmpty { return false }
    if mayBegin {
      let begun = text[...].drop(while: \.isWhitespace)
      if begun.hasPrefix("<think>") {
        (isThinking, mayBegin) = (true, false)
      } else if !"<think>".hasPrefix(begun) || begun.isEmpty {
        mayBegin = begun.isEmpty
      }
    }
    if isThinking {
      guard let end = text[text.utf8.index(text.startIndex, offsetBy: start)...].firstRange(of: Self.close) else {
        advance(beyond: Self.close.count)
        return false
      }
      (isThinking, isBlank) = (false, true)
      start = text.utf8.distance(from: text.startIndex, to: end.upperBound)
    }
    var from = text.utf8.index(text.startIndex, offsetBy: start)
    if isBlank {
      while from < text.endIndex, text[from].isWhitespace { from = text.index(after: from) }
      start = text.utf8.distance(from: text.startIndex, to: from)
      guard from < text.endIndex else { return false }
      isBlank = false
    }
    let found = stops.compactMap { text[from...].firstRange(of: $0)?.lowerBound }.min()
    if let found {
      text = String(text[..<found])
      isStopped = true
    } else {
      advance(beyond: stops.map(\.count).max() ?? 0)
    }
    return isStopped
  }

  /// Leaves only so many characters to be looked at again: the next piece may complete a string that has begun.
  private mutating func advance(beyond count: Int) {
    let from = text.utf8.index(text.startIndex, offsetBy: start)
    if let next = text.index(text.endIndex, offsetBy: -count, limitedBy: from), next > from {
      start = text.utf8.distance(from: text.startIndex, to: next)
    }
  }
}
