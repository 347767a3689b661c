import Foundation

/// A regular expression (ICU's) that finds what of an answer counts, in bounded time.
package struct AnswerPattern: Sendable, Equatable {
  package let source: String
  /// 0 is the whole match.
  package let group: Int
  private let expression: NSRegularExpression

  /// Answers beyond so many bytes are not searched.
  private static let byteLimit = 1 << 20
  /// How often the matcher may say that it is still at work; each stands for some ten thousand of its steps.
  private static let patience = 200

  /// Throws in words what is wrong.
  package init(_ source: String, group: Int) throws(PatternFailure) {
    guard let expression = try? NSRegularExpression(pattern: source) else {
      throw PatternFailure(description: "\"\(source)\" is no regular expression")
    }
    guard (0...expression.numberOfCaptureGroups).contains(group) else {
      throw PatternFailure(
        description: "\"\(source)\" has \(expression.numberOfCaptureGroups) groups, and group \(group) is asked for")
    }
    (self.source, self.group, self.expression) = (source, group, expression)
  }

  package static func == (a: AnswerPattern, b: AnswerPattern) -> Bool { a.source == b.source && a.group == b.group }

  /// What the group matched, each time, in order.
  package func matches(in text: some StringProtocol) -> [String] { search(text).found }

  /// The same, and in words why not the whole text was searched; nil where it was.
  func search(_ text: some StringProtocol) -> (found: [String], gap: String?) {
    guard text.utf8.count <= Self.byteLimit else { return ([], Self.tooLong) }
    let text = String(text)
    var found: [String] = []
    var waits = 0
    unsafe expression.enumerateMatches(
      in: text, options: [.reportProgress], range: NSRange(text.startIndex..., in: text)
    ) { match, _, stop in
      guard let match else {
        waits += 1
        if waits > Self.patience { unsafe stop.pointee = true }
        return
      }
      if let range = Range(match.range(at: group), in: text) { found.append(String(text[range])) }
    }
    return (found, waits <= Self.patience ? nil : Self.givenUp)
  }

  private static let tooLong = "the answer is longer than a MiB, and was not searched"
  private static let givenUp = "the pattern took too long, and was given up"
}

/// Why a pattern cannot be used.
package struct PatternFailure: Error, Equatable, CustomStringConvertible {
  package let description: String
}
