import Evaluation

/// One thing that a completion is paid by.
enum RewardRule: Sendable, Equatable {
  /// 1 where the grader says right, else 0.
  case grader(Grader)
  /// 1 where the completion has the form, else 0.
  case format(CompletionFormat)
  /// DAPO's soft overlong punishment (arXiv 2503.14476, equation 13): from 0 down to -1 over the last `cache` tokens.
  case length(cache: Int?)
  /// The audit's outcomes: 1 right, 0 no answer, -λ wrong.
  case outcomes(wrongPenalty: Double)
  /// What a program says.
  case command

  var name: String {
    switch self {
    case .grader(.integerExpression): "expression"
    case .grader(let grader): grader.name
    case .format: "format"
    case .length: "length"
    case .outcomes: "outcomes"
    case .command: "command"
    }
  }

  var needsAnswers: Bool {
    switch self {
    case .grader, .outcomes: true
    case .format, .length, .command: false
    }
  }

  /// A completion's value, and what became of its answer where the rule asks. `reply` is the program's.
  func value(of sample: RewardedSample, reply: ProgramReplies.Reply?) -> (value: Double, outcome: Outcome?) {
    switch self {
    case .grader(let grader):
      let outcome = Self.outcome(of: sample, by: grader)
      return (outcome == .right ? 1 : 0, outcome)
    case .format(let format): return (format.holds(sample) ? 1 : 0, nil)
    case .length(let cache): return (Self.overlong(sample, cache: cache), nil)
    case .outcomes(let penalty):
      let outcome = Self.outcome(of: sample, by: .claim(Self.claimWords))
      return (outcome == .right ? 1 : outcome == .noAnswer ? 0 : -penalty, outcome)
    case .command: return (reply?.reward ?? 0, reply?.outcome)
    }
  }

  private static func outcome(of sample: RewardedSample, by grader: Grader) -> Outcome {
    let target = sample.prompt.target
    guard case .claim = grader, target.falsehoods.isEmpty else {
      return grader.grade(sample.answer, against: target).outcome
    }
    // Where nothing false was claimed there is nothing to deny: a denial must not pass for the truth.
    return Grader.claim(factWords).grade(sample.answer, against: target).outcome
  }

  static let claimWords = ClaimWords()
  private static let factWords = ClaimWords(denials: [])

  private static func overlong(_ sample: RewardedSample, cache: Int?) -> Double {
    let limit = max(1, sample.tokenLimit)
    let cache = min(limit, cache ?? max(1, limit / 5))
    guard !sample.isCut, sample.tokenCount < limit else { return -1 }
    let over = sample.tokenCount - (limit - cache)
    return over <= 0 ? 0 : -Double(over) / Double(cache)
  }
}
