import Foundation

/// Texts by which answers are compared: case, kinds of space, and Unicode's ways of writing the same do not matter.
package enum FoldedText {
  /// Compatibility composition (NFKC), case folded, quotation marks and dashes as ASCII has them, white space as single
  /// spaces and none at the ends.
  package static func fold(_ text: some StringProtocol) -> String {
    let composed = String(text).precomposedStringWithCompatibilityMapping
    var folded = ""
    for scalar in composed.unicodeScalars {
      switch scalar {
      case "\u{2018}", "\u{2019}", "\u{201B}", "\u{02BC}": folded += "'"
      case "\u{201C}", "\u{201D}", "\u{201E}": folded += "\""
      case "\u{2010}"..."\u{2015}", "\u{2212}": folded += "-"
      default: folded += scalar.properties.lowercaseMapping
      }
    }
    return folded.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// The same without the punctuation that an answer may begin or end with: `"Paris."` is `paris`.
  package static func foldedCore(_ text: some StringProtocol) -> String {
    let folded = fold(text)
    var rest = folded[...]
    let marks: Set<Character> = [".", ",", ";", ":", "!", "?", "\"", "'", "`", "*", "_", "(", ")", "[", "]", " "]
    while let first = rest.first, marks.contains(first) { rest.removeFirst() }
    while let last = rest.last, marks.contains(last) { rest.removeLast() }
    return rest.isEmpty ? folded : String(rest)
  }
}
