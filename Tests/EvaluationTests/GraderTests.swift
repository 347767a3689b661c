import Testing

@testable import Evaluation

/// Each grader's rules, by answers that people and models write.
@Suite struct GraderTests {
  private func grade(_ grader: Grader, _ text: String, _ target: String, isCut: Bool = false) -> Verdict {
    grader.grade(Answer(text, isCut: isCut), against: GradedTarget([target]))
  }

  @Test(arguments: [
    ("Paris", "paris"), ("  PARIS \n", "Paris"), ("\"Paris.\"", "Paris"), ("São\u{00A0}Tomé", "Sa\u{303}o Tomé"),
    ("Ｐａｒｉｓ", "Paris"), ("don’t", "don't"), ("**Paris**", "Paris"), ("12", "12"),
    ("<think>Rome? No.</think>\nParis", "Paris"),
  ])
  func exactFoldsCaseSpaceAndUnicode(text: String, target: String) {
    #expect(grade(.exact, text, target).outcome == .right)
  }

  @Test(arguments: [("Paris, France", "Paris"), ("Pari", "Paris"), ("1.5", "15")])
  func exactTakesNothingElse(text: String, target: String) {
    #expect(grade(.exact, text, target).outcome == .wrong)
  }

  @Test(arguments: [
    ("It costs $1,234.50.", ["1234.5"]), ("-5 and −7", ["-5", "-7"]), ("3-5", ["3", "5"]), ("-$5", ["-5"]),
    ("1,2,3", ["1", "2", "3"]), ("1 234 567,", ["1", "234", "567"]), ("1\u{202F}234", ["1234"]), ("1e3", ["1000"]),
    ("2.50e-3", ["0.0025"]), ("0042", ["42"]), ("-0", ["0"]), (".5", ["0.5"]), ("3.14.", ["3.14"]),
    ("1,2345", ["1", "2345"]), ("no", []), ("1'000'000 €", ["1000000"]), ("(2) -3", ["2", "-3"]), ("x-3", ["3"]),
    ("123456789012345678901234567890", ["123456789012345678901234567890"]), ("5.", ["5"]),
  ])
  func numbersAreReadAsPeopleWriteThem(text: String, numbers: [String]) {
    #expect(WrittenNumber.all(in: text).map(\.text) == numbers)
  }

  @Test func anExponentOfAnySizeCostsLittle() {
    let number = WrittenNumber("1e99999999999999999999")
    #expect(number?.text.count == 401)
  }

  @Test func numericTakesTheLastNumberAndATolerance() {
    #expect(grade(.numeric(tolerance: 0), "7 + 5 = 12", "12").outcome == .right)
    #expect(grade(.numeric(tolerance: 0), "12, because 7 + 5", "12").outcome == .wrong)
    #expect(grade(.numeric(tolerance: 0), "$1,200.00", "1200").outcome == .right)
    #expect(grade(.numeric(tolerance: 0), "3.141", "3.14").outcome == .wrong)
    #expect(grade(.numeric(tolerance: 0.01), "3.141", "3.14").outcome == .right)
    #expect(grade(.numeric(tolerance: 0), "many", "3") == Verdict(.noAnswer, rule: "no number"))
  }

  @Test func aPatternFindsItsGroupAndNeverHangs() throws {
    let pattern = try AnswerPattern("answer is (\\w+)", group: 1)
    #expect(grade(.regex(pattern), "The answer is 3. No: the answer is Four", "four").outcome == .right)
    #expect(grade(.regex(pattern), "four", "four").outcome == .noAnswer)
    let hostile = try AnswerPattern("(a+)+$", group: 0)
    let givenUp = Verdict(.noAnswer, rule: "the pattern took too long, and was given up")
    #expect(grade(.regex(hostile), String(repeating: "a", count: 5000) + "b", "a") == givenUp)
    // What it found before is not the last that there is.
    let late = try AnswerPattern("x|(a+)+$", group: 0)
    let text = "x " + String(repeating: "a", count: 5000) + "b"
    #expect(grade(.regex(late), text, "x") == givenUp)
    #expect(AnswerFilter(pattern: late, selection: 0).apply(text[...]).text == "x")
    #expect(AnswerFilter(pattern: late, selection: -1).apply(text[...]) == (nil, givenUp.rule))
    // Nor is anything looked for in what is longer than all that models write.
    let long = "x" + String(repeating: " ", count: 1 << 20)
    #expect(AnswerFilter(pattern: late, selection: 0).apply(long.dropLast()).text == "x")
    let unread = "the answer is longer than a MiB, and was not searched"
    for selection in [0, -1] {
      #expect(AnswerFilter(pattern: late, selection: selection).apply(long[...]) == (nil, unread))
    }
    #expect(grade(.regex(late), long + "x", "x") == Verdict(.noAnswer, rule: unread))
    #expect(throws: PatternFailure.self) { try AnswerPattern("(", group: 0) }
    #expect(throws: PatternFailure.self) { try AnswerPattern("(a)", group: 2) }
  }

  @Test(arguments: [
    ("1+2*3", 7), ("(1+2)*3", 9), ("-4+10", 6), ("8/2/2", 2), ("2 × 3 − 1", 5), ("--3", 3), ("((((5))))", 5),
  ])
  func expressionsHaveTheirValue(text: String, value: Int) throws {
    #expect(try IntegerExpression(text).value == value)
  }

  @Test(arguments: [
    "", "1+", "(1", "1)", "7/2", "1/0", "9999999999999999999", "9223372036854775807+1", "a", "1 2a", "2**3",
    String(repeating: "(", count: 200) + "1" + String(repeating: ")", count: 200),
    String(repeating: "-", count: 3000) + "1",
  ])
  func whatIsNoExpressionIsRefused(text: String) {
    #expect(throws: IntegerExpression.Failure.self) { try IntegerExpression(text) }
  }

  @Test func anExpressionUsesEachNumberOnce() {
    func grade(_ text: String) -> Verdict {
      Grader.integerExpression.grade(Answer(text), against: GradedTarget(["24"], numbers: [4, 6, 10]))
    }
    #expect(grade("10*4-6").outcome == .wrong)
    #expect(grade("(10-6)*6") == Verdict(.wrong, rule: "other numbers than given", extracted: "(10-6)*6"))
    #expect(grade("First 3+4.\nAnswer: 6 * (10 - 4) = 36").outcome == .wrong)
    #expect(
      Grader.integerExpression.grade(Answer("6*(10-4)=36"), against: GradedTarget(["36"], numbers: [10, 4, 6])).outcome
        == .right)
    #expect(grade("I give up").outcome == .noAnswer)
  }

  @Test func containsWantsWholeWords() {
    #expect(grade(.contains, "It is Oslo, I think.", "oslo").outcome == .right)
    #expect(grade(.contains, "Oslovian", "Oslo").outcome == .wrong)
    #expect(grade(.contains, "In New  York City", "new york").outcome == .right)
  }

  @Test func choicesAreComparedBySumAndByTheByte() {
    let scores = ChoiceScores(logprobs: [-3, -2.5, -2.5], byteCounts: [6, 2, 3])
    #expect(scores.best == 1 && scores.bestPerByte == 0)
    #expect(scores.verdict(target: 1, choices: ["a", "b", "c"]).outcome == .right)
    #expect(scores.verdict(target: 0, choices: ["a", "b", "c"]).outcome == .wrong)
    #expect(
      ChoiceScores(logprobs: [.nan, 1], byteCounts: [1, 1]).verdict(target: 0, choices: ["a", "b"]).outcome == .unscored
    )
  }

  @Test func whatWasCutOffIsNoAnswerUnlessItIsTheTarget() {
    #expect(
      grade(.numeric(tolerance: 0), "12", "12", isCut: true)
        == {
          var verdict = Verdict(.noAnswer, rule: "cut", extracted: "12")
          verdict.isCut = true
          return verdict
        }())
    #expect(grade(.exact, "12", "12", isCut: true).outcome == .right)
    #expect(grade(.exact, "12 and", "12", isCut: true).outcome == .noAnswer)
    #expect(grade(.exact, " ", "12") == Verdict(.noAnswer, rule: "empty"))
    #expect(grade(.exact, "<think>12", "12", isCut: true).outcome == .noAnswer)
    #expect(grade(.exact, "<think>12", "12").rule == "empty")
  }

  @Test(arguments: [
    ("VERDICT: RIGHT", Outcome.right), ("**Verdict: wrong**", .wrong), ("So.\nVERDICT: NO ANSWER.", .noAnswer),
    ("Right.", .unscored), ("VERDICT: RIGHT\nVERDICT: WRONG", .wrong),
  ])
  func aJudgesLastVerdictCounts(reply: String, outcome: Outcome) {
    #expect(JudgeRubric.verdict(of: Answer(reply)).outcome == outcome)
  }
}
