import Evaluation

/// The form that a completion is to have as a whole, reasoning included.
enum CompletionFormat: Sendable, Equatable {
  /// DeepSeek-R1's: reasoning between `<think>` and `</think>`, each there once, and an answer after it; not cut off.
  case reasoning
  case pattern(AnswerPattern)

  /// A pattern that must match from the beginning to the end.
  init(pattern: String) throws(PatternFailure) {
    // Alone first: brackets of its own must not close those put around it.
    _ = try AnswerPattern(pattern, group: 0)
    self = .pattern(try AnswerPattern("\\A(?:\(pattern))\\z", group: 0))
  }

  func holds(_ sample: RewardedSample) -> Bool {
    switch self {
    case .pattern(let pattern): !pattern.matches(in: sample.answer.text).isEmpty
    case .reasoning: !sample.isCut && Self.isReasoned(sample.answer.text)
    }
  }

  /// Marks are found by their bytes: no combining character after one hides it.
  private static func isReasoned(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    let begins = bytes.ranges(of: Array("<think>".utf8))
    let ends = bytes.ranges(of: Array("</think>".utf8))
    guard begins.count == 1, ends.count == 1, begins[0].upperBound <= ends[0].lowerBound else { return false }
    func says(_ part: ArraySlice<UInt8>) -> Bool { String(decoding: part, as: UTF8.self).contains { !$0.isWhitespace } }
    return !says(bytes[..<begins[0].lowerBound]) && says(bytes[begins[0].upperBound..<ends[0].lowerBound])
      && says(bytes[ends[0].upperBound...])
  }
}
