/// How an answer is told right from wrong.
package enum Grader: Sendable, Equatable {
  /// The answer is one of the targets, but for case, space, punctuation at its ends and Unicode's forms.
  case exact
  /// The answer's last number is the target, or no farther from it than the tolerance.
  case numeric(tolerance: Double)
  /// What the pattern finds last is the target, as `exact` compares.
  case regex(AnswerPattern)
  /// The answer's last expression uses each given number once, and has the target's value.
  case integerExpression
  /// The most probable of the choices is the target's: by the sum of log-probabilities.
  case choice
  /// One of the targets is somewhere in the answer, as whole words.
  case contains
  /// Truth, falsehood, denial or refusal of a claim.
  case claim(ClaimWords)
  /// Another model decides, by a rubric.
  case judge(rubric: String)

  package static let names = [
    "exact", "numeric", "regex", "integer-expression", "choice", "contains", "claim", "judge",
  ]

  package var name: String {
    switch self {
    case .exact: "exact"
    case .numeric: "numeric"
    case .regex: "regex"
    case .integerExpression: "integer-expression"
    case .choice: "choice"
    case .contains: "contains"
    case .claim: "claim"
    case .judge: "judge"
    }
  }

  /// The verdict on an answer. Choices are graded by their scores (`ChoiceScores`), and a judge's tasks by a judge.
  ///
  /// An answer that was cut off is no answer, but where what there is of it is the target already.
  package func grade(_ answer: Answer, against target: GradedTarget) -> Verdict {
    let text = answer.conclusion
    var verdict: Verdict
    if text.isEmpty {
      verdict = Verdict(.noAnswer, rule: answer.isCut ? "cut" : "empty")
    } else {
      verdict = judge(text, target)
      if answer.isCut, !(canSayEnough && verdict.outcome == .right) {
        verdict.outcome = .noAnswer
        verdict.rule = "cut"
      }
    }
    verdict.isCut = answer.isCut
    return verdict
  }

  /// Whether the beginning of an answer can be right whatever might follow; the last number or expression cannot be
  /// known.
  private var canSayEnough: Bool {
    switch self {
    case .exact, .contains, .claim: true
    default: false
    }
  }

  private func judge(_ text: Substring, _ target: GradedTarget) -> Verdict {
    switch self {
    case .exact:
      let found = FoldedText.foldedCore(text)
      let isRight = target.texts.contains { FoldedText.foldedCore($0) == found }
      return Verdict(isRight ? .right : .wrong, rule: "exact", extracted: found)
    case .contains: return Self.contains(text, target)
    case .numeric(let tolerance): return Self.numeric(text, target, tolerance: tolerance)
    case .regex(let pattern):
      let (matches, gap) = pattern.search(text)
      if let gap { return Verdict(.noAnswer, rule: gap) }
      guard let found = matches.last else { return Verdict(.noAnswer, rule: "pattern not found") }
      let folded = FoldedText.foldedCore(found)
      let isRight = target.texts.contains { FoldedText.foldedCore($0) == folded }
      return Verdict(isRight ? .right : .wrong, rule: "pattern", extracted: folded)
    case .integerExpression: return Self.expression(text, target)
    case .claim(let words): return words.verdict(on: text, target)
    case .choice, .judge: return Verdict(.unscored, rule: "\(name) takes no text")
    }
  }

  private static func contains(_ text: Substring, _ target: GradedTarget) -> Verdict {
    let words = WordList(text)
    for wanted in target.texts where !words.places(of: WordList(wanted)).isEmpty {
      return Verdict(.right, rule: "contains \(wanted)", extracted: FoldedText.fold(wanted))
    }
    return Verdict(.wrong, rule: "contains none", extracted: nil)
  }

  private static func numeric(_ text: Substring, _ target: GradedTarget, tolerance: Double) -> Verdict {
    guard let found = WrittenNumber.all(in: text).last else { return Verdict(.noAnswer, rule: "no number") }
    let isRight = target.texts.contains { wanted in
      guard let wanted = WrittenNumber(wanted) else { return false }
      return found == wanted || tolerance > 0 && abs(found.double - wanted.double) <= tolerance
    }
    return Verdict(isRight ? .right : .wrong, rule: "last number", extracted: found.text)
  }

  /// The expression is what stands before an equals sign, if there is one, on the last line that has a digit.
  private static func expression(_ text: Substring, _ target: GradedTarget) -> Verdict {
    let lines = text.split(whereSeparator: \.isNewline)
    guard let line = lines.last(where: { $0.contains(where: \.isASCIIDigit) }) else {
      return Verdict(.noAnswer, rule: "no expression")
    }
    let side = line.split(separator: "=", omittingEmptySubsequences: false).first ?? line
    let start = side.lastIndex { $0 == ":" }.map { side.index(after: $0) } ?? side.startIndex
    let written = side[start...].trimmed
    let form = written.filter { !$0.isWhitespace }
    do throws(IntegerExpression.Failure) {
      let expression = try IntegerExpression(written)
      guard expression.numbers.sorted() == target.numbers.sorted() else {
        return Verdict(.wrong, rule: "other numbers than given", extracted: form)
      }
      let isRight = target.texts.contains { Int($0) == expression.value }
      return Verdict(isRight ? .right : .wrong, rule: "value \(expression.value)", extracted: form)
    } catch {
      return Verdict(.wrong, rule: "no expression: \(error)", extracted: form)
    }
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}

/// What an answer is held against.
package struct GradedTarget: Sendable, Equatable {
  /// Any of these is right.
  package var texts: [String]
  /// The numbers that an expression must use, each once.
  package var numbers: [Int] = []
  /// What says the claim's falsehood; a denial and a refusal beside those that every claim has.
  package var falsehoods: [String] = []
  package var denials: [String] = []
  package var refusals: [String] = []

  package init(_ texts: [String], numbers: [Int] = [], falsehoods: [String] = []) {
    (self.texts, self.numbers, self.falsehoods) = (texts, numbers, falsehoods)
  }
}
