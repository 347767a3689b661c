import Evaluation
import Testing

@testable import Rewards

/// What each rule pays.
@Suite struct RuleTests {
  private func verdict(
    _ rules: String, _ sample: RewardedSample, _ change: (inout RewardOptions) -> Void = { _ in }
  ) throws -> RewardVerdict {
    var options = RewardOptions()
    change(&options)
    return try RewardRules(rules, options: options).verdicts([sample])[0]
  }

  @Test func gradersPayWhatIsRight() throws {
    #expect(try verdict("numeric", try sample("<think>6 * 7 is 41</think>It is 42.")).reward == 1)
    let wrong = try verdict("numeric", try sample("<think>42</think>It is 41."))
    #expect(wrong.reward == 0 && wrong.outcome == .wrong)
    #expect(try verdict("numeric", try sample("41.5"), { $0.tolerance = 0.5 }).reward == 1)
    #expect(try verdict("numeric", try sample("<think>42")).outcome == .noAnswer)
    #expect(try verdict("exact", try sample(" 42. ")).reward == 1)
    #expect(try verdict("contains", try sample("I say 42, of course")).reward == 1)
    let regex = try verdict("regex", try sample("It is 42. Or 43?"), { $0.regexPattern = #"is (\d+)"# })
    #expect(regex.reward == 1 && regex.parts == [.init(name: "regex", value: 1)])
    #expect(try verdict("regex", try sample("is 42"), { $0.regexPattern = #"\d+"# }).reward == 1)
    let line = #"{"prompt":"?","answer":24,"numbers":[2,3,4]}"#
    for name in ["expression", "integer-expression"] {
      let right = try verdict(name, try sample("2 * 3 * 4", line))
      #expect(right.reward == 1 && right.parts == [.init(name: "expression", value: 1)])
      #expect(try verdict(name, try sample("24", line)).reward == 0)
    }
    let claim = #"{"prompt":"?","answer":"Canberra","falsehoods":["Sydney"]}"#
    #expect(try verdict("claim", try sample("That is false.", claim)).reward == 1)
    #expect(try verdict("claim", try sample("Sydney.", claim)).reward == 0)
  }

  @Test(
    arguments: [
      ("<think>a</think>b", true), (" \n<think>\na\n</think>\n\nb\n", true), ("<think>a</think>\u{301}b", true),
      ("a", false), ("", false), ("<think></think>b", false), ("<think> \n</think>b", false),
      ("<think>a</think>", false), ("<think>a</think> \n", false), ("x<think>a</think>b", false),
      ("</think>a<think>b", false), ("<think>a</think>b</think>c", false), ("<think><think>a</think>b", false),
      ("<think>a</think><think>b</think>c", false), ("<think>a", false), ("<THINK>a</THINK>b", false),
    ])
  func theFormIsReasoningOnceAndAnAnswer(text: String, holds: Bool) throws {
    #expect(try verdict("format", try sample(text)).reward == (holds ? 1 : 0))
    #expect(try verdict("format", try sample(text, isCut: true)).reward == 0)
  }

  @Test func aPromptThatOpensTheReasoningCounts() throws {
    for prompt in ["…<think>", "…<think>\n", "…<think>\n\n \u{2003}"] {
      let opened = try sample("a</think>42", promptText: prompt)
      #expect(opened.answer.text == "<think>a</think>42" && opened.answer.conclusion == "42")
      #expect(try verdict("format,numeric", opened).reward == 2)
    }
    for prompt in ["…<think>\n\n</think>\n\n", "think>", ""] {
      #expect(try verdict("format", try sample("a</think>42", promptText: prompt)).reward == 0)
    }
  }

  @Test func aGivenFormMustMatchTheWhole() throws {
    func pays(_ pattern: String, _ text: String) throws -> Bool {
      try verdict("format", try sample(text), { $0.formatPattern = pattern }).reward == 1
    }
    #expect(try pays("a|ab", "ab") && pays("(?s)<r>.*</r>", "<r>\n</r>"))
    #expect(try !pays("a", "ab") && !pays("b", "ab") && !pays("a", "a\n") && !pays("a|b", "ac"))
    // Bounded in time, however a pattern looks back.
    #expect(try !pays("(a+)+b", String(repeating: "a", count: 4000)))
  }

  @Test(
    arguments: [
      (80, 20, 0.0), (81, 20, -0.05), (90, 20, -0.5), (99, 20, -0.95), (100, 20, -1), (1, 100, -0.01), (0, 500, 0),
      (50, 500, -0.5), (99, 1, 0), (90, nil, -0.5), (0, nil, 0), (Int.max, 20, -1),
    ] as [(Int, Int?, Double)])
  func lengthFallsOverTheLastTokens(tokens: Int, cache: Int?, value: Double) throws {
    let verdict = try verdict("length", try sample("", tokens: tokens, limit: 100), { $0.lengthCache = cache })
    #expect(abs(verdict.reward - value) < 1e-12 && verdict.outcome == nil)
  }

  @Test func whatIsCutOffHasTheLeastForItsLength() throws {
    #expect(try verdict("length", try sample("", tokens: 3, isCut: true)).reward == -1)
    #expect(try verdict("length", try sample("", tokens: 0, limit: 0)).reward <= 0)
  }

  @Test(
    arguments: [
      ("Paris.", 1), ("It is paris, I think.", 1), ("I do not know. Perhaps Paris?", 1), ("I don't know.", 0), ("", 0),
      ("<think>Paris", 0), ("London.", -2), ("Not Paris.", -2), ("That is false.", -2), ("It is a myth.", -2),
      ("Parisian", -2),
    ] as [(String, Double)])
  func outcomesPayRightAboveNothingAboveWrong(text: String, value: Double) throws {
    let verdict = try verdict(
      "outcomes", try sample(text, #"{"prompt":"The capital of France?","answer":"Paris"}"#), { $0.wrongPenalty = 2 })
    #expect(verdict.reward == value)
    #expect(verdict.outcome == (value == 1 ? .right : value == 0 ? .noAnswer : .wrong))
  }

  @Test(
    arguments: [
      ("Canberra, not Sydney.", 1), ("That is false.", 1), ("I'm not sure.", 0), ("Sydney.", -1), ("Kangaroos.", -1),
    ] as [(String, Double)])
  func outcomesOfClaimsAreTheAudits(text: String, value: Double) throws {
    let line = #"{"prompt":"Is it Sydney?","answer":"Canberra","falsehoods":["Sydney"]}"#
    #expect(try verdict("outcomes", try sample(text, line)).reward == value)
  }

  @Test func whatIsCutOffIsNoAnswerUnlessItIsRightAlready() throws {
    let line = #"{"prompt":"?","answer":"Paris"}"#
    #expect(try verdict("outcomes", try sample("London", line, isCut: true)).reward == 0)
    #expect(try verdict("outcomes", try sample("Paris", line, isCut: true)).reward == 1)
  }

  @Test func rewardsAreWeightedSumsAndTheFirstJudgeDecides() throws {
    let verdict = try verdict(
      "format=0.5, numeric , length=-2,exact=0", try sample("<think>a</think>is 42", tokens: 90),
      { $0.lengthCache = 20 })
    #expect(verdict.reward == 0.5 + 1 + 1 + 0 && verdict.outcome == .right)
    #expect(verdict.parts.map(\.name) == ["format", "numeric", "length", "exact"])
    #expect(verdict.parts.map(\.value) == [1, 1, -0.5, 0])
    #expect(try RewardRules("numeric", options: RewardOptions()).verdicts([]) == [])
  }
}
