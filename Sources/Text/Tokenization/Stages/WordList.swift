/// What becomes of the matches of a split.
enum SplitBehavior: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// Words as ranges of one buffer.
struct WordList {
  struct Word {
    var range: Range<Int>
    /// The word begins where the input begins.
    var startsAtOrigin: Bool
  }

  private(set) var bytes: [UInt8]
  private(set) var words: [Word]

  init(_ text: NormalizedText) {
    bytes = text.bytes
    words = bytes.isEmpty ? [] : [Word(range: 0..<bytes.count, startsAtOrigin: text.startsAtOrigin)]
  }

  typealias Matcher = (UnsafeBufferPointer<UInt8>, (Range<Int>) -> Void) throws(TokenizerError) -> Void

  /// Cuts every word at the matches that `findMatches` reports in it, from left to right; drops empty pieces.
  mutating func split(_ behavior: SplitBehavior, inverted: Bool, _ findMatches: Matcher) throws(TokenizerError) {
    var pieces: [Word] = []
    pieces.reserveCapacity(words.count)
    var spans: [SplitSpan] = []
    try bytes.withUnsafeBufferPointer { buffer throws(TokenizerError) in
      for word in words {
        let text = UnsafeBufferPointer(rebasing: buffer[word.range])
        spans.removeAll(keepingCapacity: true)
        var end = 0
        try findMatches(text) { match in
          if match.lowerBound > end { spans.append(SplitSpan(range: end..<match.lowerBound, isMatch: inverted)) }
          spans.append(SplitSpan(range: match, isMatch: !inverted))
          end = match.upperBound
        }
        if end < text.count { spans.append(SplitSpan(range: end..<text.count, isMatch: inverted)) }
        behavior.merge(&spans)
        for span in spans where !span.range.isEmpty {
          let start = word.range.lowerBound
          pieces.append(
            Word(
              range: start + span.range.lowerBound..<start + span.range.upperBound,
              startsAtOrigin: word.startsAtOrigin && span.range.lowerBound == 0))
        }
      }
    }
    words = pieces
  }

  /// Replaces the text of every word.
  mutating func rewrite(_ body: (Slice<UnsafeBufferPointer<UInt8>>, Bool) -> [UInt8]) {
    var rewritten: [UInt8] = []
    rewritten.reserveCapacity(bytes.count + words.count)
    bytes.withUnsafeBufferPointer { buffer in
      for i in words.indices {
        let start = rewritten.count
        rewritten.append(contentsOf: body(buffer[words[i].range], words[i].startsAtOrigin))
        words[i].range = start..<rewritten.count
      }
    }
    bytes = rewritten
  }
}

/// A stretch of a word: a match of the split, or what lies between two.
struct SplitSpan {
  var range: Range<Int>
  var isMatch: Bool
}

extension SplitBehavior {
  /// Joins or drops the spans, which cover the word, as the behaviour wants.
  func merge(_ spans: inout [SplitSpan]) {
    switch self {
    case .isolated: return
    case .removed: spans.removeAll { $0.isMatch }
    case .contiguous: join(&spans) { isMatch, previous in isMatch == previous }
    case .mergedWithPrevious: join(&spans) { isMatch, previous in isMatch && !previous }
    case .mergedWithNext:
      spans.reverse()
      join(&spans) { isMatch, previous in isMatch && !previous }
      spans.reverse()
    }
  }

  /// Joins a span to the one before it where `joins` says so, given whether each is a match; before the first there
  /// is none to join, and what counts as previous then is "no match".
  private func join(_ spans: inout [SplitSpan], where joins: (Bool, Bool) -> Bool) {
    var kept: [SplitSpan] = []
    kept.reserveCapacity(spans.count)
    var previousIsMatch = false
    for span in spans {
      if joins(span.isMatch, previousIsMatch), let last = kept.last {
        kept[kept.count - 1].range =
          min(last.range.lowerBound, span.range.lowerBound)..<max(last.range.upperBound, span.range.upperBound)
      } else {
        kept.append(span)
      }
      previousIsMatch = span.isMatch
    }
    spans = kept
  }
}
