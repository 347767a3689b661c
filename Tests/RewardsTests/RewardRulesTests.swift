import JSON
import Testing

@testable import Rewards

/// Names, weights and options of rewards.
@Suite struct RewardRulesTests {
  private func words(_ text: String, _ change: (inout RewardOptions) -> Void = { _ in }) -> String {
    var options = RewardOptions()
    change(&options)
    do {
      return "made: \(try RewardRules(text, options: options).json.text())"
    } catch { return "\(error)" }
  }

  @Test func whatIsAskedForIsTold() throws {
    var options = RewardOptions()
    (options.tolerance, options.command, options.lengthCache) = (0.25, "score.py", 8)
    let rules = try RewardRules("numeric,command=-0.5,length,format=1e-1", options: options)
    #expect(rules.needsAnswers && rules.needsReasoning)
    #expect(
      rules.json.text()
        == #"{"rules":[{"name":"numeric","weight":1.0},{"name":"command","weight":-0.5},{"name":"length","weight":1.0},{"name":"format","weight":0.1}],"tolerance":0.25,"command":"score.py","command_isolated":true,"length_cache":8,"format_pattern":null}"#
    )
    let other = try RewardRules("format,length", options: options.without)
    #expect(!other.needsAnswers && other.needsReasoning && other.notes.isEmpty)
    var pattern = RewardOptions()
    pattern.formatPattern = "a+"
    #expect(!(try RewardRules("format", options: pattern)).needsReasoning)
    for name in ["exact", "numeric", "expression", "contains", "claim", "outcomes"] {
      #expect(try RewardRules(name, options: RewardOptions()).needsAnswers)
    }
  }

  @Test(
    arguments: [
      ("", "no reward is named"), (" ", "no reward is named"), (",", "there is no reward \"\""),
      ("exact,,numeric", "there is no reward \"\""), ("numeric,", "there is no reward \"\""),
      ("nope", "there is no reward \"nope\""), ("judge", "there is no reward"), ("choice", "there is no reward"),
      ("Numeric", "there is no reward"), ("numeric,exact,numeric=2", "numeric is named twice"),
      ("expression,integer-expression", "expression is named twice"), ("numeric=", "the weight of numeric is \"\""),
      ("numeric=x", "weight"), ("numeric=nan", "weight"), ("numeric=inf", "weight"), ("numeric=1e7", "weight"),
      ("numeric=1=2", "weight"), ("regex", "needs --reward-regex-pattern"), ("command", "needs --reward-command"),
    ])
  func whatIsNoListOfRewardsIsRefused(text: String, expected: String) {
    #expect(words(text).contains(expected), "\(words(text))")
  }

  @Test func optionsBelongToTheirRewards() {
    #expect(words("numeric") { $0.command = "x" }.contains("--reward-command says something about the reward command"))
    #expect(words("numeric") { $0.regexPattern = "x" }.contains("--reward-regex-pattern says"))
    #expect(words("numeric") { $0.formatPattern = "x" }.contains("--reward-format-pattern says"))
    #expect(words("regex") { $0.regexPattern = "(" }.contains("no regular expression"))
    #expect(words("format") { $0.formatPattern = "(" }.contains("no regular expression"))
    #expect(words("format") { $0.formatPattern = "" }.contains("no regular expression"))
    #expect(words("format") { $0.formatPattern = "a)(b" }.contains("no regular expression"))
    #expect(words("command") { $0.command = " " }.contains("where a command"))
    #expect(words("command") { $0.command = "a\0b" }.contains("where a command"))
  }

  @Test(arguments: [-1, .nan, .infinity, -.infinity] as [Double])
  func numbersThatAreNoneAreRefused(number: Double) {
    #expect(words("numeric") { $0.tolerance = number }.contains("--reward-tolerance is"))
    #expect(words("outcomes") { $0.wrongPenalty = number }.contains("--reward-wrong-penalty is"))
    #expect(words("numeric") { $0.commandTimeout = number }.contains("--reward-timeout is"))
    #expect(words("length") { $0.lengthCache = -1 }.contains("--reward-length-cache is"))
  }

  @Test(
    arguments: [
      ("numeric", #"{"prompt":"a"}"#, "it has no answer"), ("numeric", #"{"prompt":"a","answer":"b"}"#, "no number"),
      ("numeric", #"{"prompt":"a","answer":"$1,000"}"#, nil), ("exact", #"{"prompt":"a","answer":"b"}"#, nil),
      ("expression", #"{"prompt":"a","answer":1}"#, "it has no numbers"),
      ("expression", #"{"prompt":"a","answer":1.5,"numbers":[1]}"#, "no integer"),
      ("format,length", #"{"prompt":"a"}"#, nil),
    ] as [(String, String, String?)])
  func promptsThatNothingCouldBeRightForAreNamed(rules: String, line: String, expected: String?) throws {
    let rules = try RewardRules(rules, options: RewardOptions())
    let prompt = try prompt(line, number: 7)
    do throws(RewardError) {
      try rules.check([prompt], file: "p.jsonl")
      #expect(expected == nil)
    } catch {
      #expect(
        expected.map { "\(error)".contains($0) && "\(error)".contains("\"p.jsonl\", line 7") } ?? false, "\(error)")
    }
  }
}

extension RewardOptions {
  /// Without a command.
  fileprivate var without: RewardOptions {
    var options = self
    options.command = nil
    return options
  }
}
