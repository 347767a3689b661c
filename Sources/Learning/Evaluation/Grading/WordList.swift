/// A text's words, folded, with the clause that each is in.
struct WordList: Sendable, Equatable {
  struct Word: Sendable, Equatable {
    var text: String
    /// Counts what `.`, `,`, `;`, `:`, `!`, `?` and ends of lines separate.
    var clause: Int
  }

  private(set) var words: [Word] = []

  init(_ text: some StringProtocol) {
    var clause = 0
    for line in text.split(whereSeparator: \.isNewline) {
      var word = ""
      func end(_ words: inout [Word]) {
        let core = word.trimmingQuotes
        if !core.isEmpty { words.append(Word(text: core, clause: clause)) }
        word = ""
      }
      let folded = Array(FoldedText.fold(line))
      for (i, character) in folded.enumerated() {
        // A point or comma within a number is part of it.
        let isInNumber =
          (character == "." || character == ",") && i > 0 && i + 1 < folded.count && folded[i - 1].isNumber
          && folded[i + 1].isNumber
        if character.isLetter || character.isNumber || character == "'" || isInNumber {
          if character != "," { word.append(character) }
          continue
        }
        end(&words)
        if ".,;:!?".contains(character) { clause += 1 }
      }
      end(&words)
      clause += 1
    }
  }

  /// Where the other's words stand, one after the other; with `skipping`, words of these may stand between them.
  func places(of other: WordList, skipping: Set<String> = []) -> [(range: Range<Int>, skipped: Bool)] {
    guard !other.words.isEmpty else { return [] }
    var found: [(range: Range<Int>, skipped: Bool)] = []
    for start in words.indices {
      var (at, next, skipped) = (start, 0, false)
      while at < words.count, next < other.words.count {
        if words[at].text == other.words[next].text {
          next += 1
        } else if next > 0, skipping.contains(words[at].text) {
          skipped = true
        } else {
          break
        }
        at += 1
      }
      if next == other.words.count { found.append((start..<at, skipped)) }
    }
    return found
  }

  /// Puts nothing in a word's place.
  mutating func blank(_ at: Int) { words[at].text = "" }

  /// The words with contractions of `not` as two.
  var expanded: WordList {
    var list = self
    list.words = words.flatMap { word -> [Word] in
      if word.text == "cannot" || word.text == "can't" {
        return [Word(text: "can", clause: word.clause), Word(text: "not", clause: word.clause)]
      }
      guard word.text.hasSuffix("n't"), word.text.count > 3 else { return [word] }
      return [Word(text: String(word.text.dropLast(3)), clause: word.clause), Word(text: "not", clause: word.clause)]
    }
    return list
  }
}

extension String {
  fileprivate var trimmingQuotes: String {
    var rest = self[...]
    while rest.first == "'" { rest.removeFirst() }
    while rest.last == "'" { rest.removeLast() }
    return String(rest)
  }
}
