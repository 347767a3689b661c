/// A model's answer as graders take it.
package struct Answer: Sendable, Equatable {
  /// All that it wrote.
  package let text: String
  /// It had as many tokens as it might have, and may have had more to say.
  package let isCut: Bool

  package init(_ text: String, isCut: Bool = false) { (self.text, self.isCut) = (text, isCut) }

  /// What it said after it had thought: the text after the last `</think>`; empty where it never came to an end of its
  /// thinking.
  package var conclusion: Substring {
    if let end = text.ranges(of: "</think>").last { return text[end.upperBound...].trimmed }
    let start = text[...].trimmed
    return start.hasPrefix("<think>") ? "" : start
  }
}

extension Substring {
  /// Without white space at both ends.
  var trimmed: Substring {
    var rest = self
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest
  }
}
