import Evaluation
import JSON

/// What completions are paid by: rules with weights, read from a text such as `numeric,format=0.1`.
package struct RewardRules: Sendable {
  struct Weighted: Sendable, Equatable {
    var rule: RewardRule
    var weight: Double
  }

  let rules: [Weighted]
  private let options: RewardOptions
  private let program: RewardProgram?

  /// All that can be asked for.
  package static let names = [
    "exact", "numeric", "expression", "contains", "regex", "claim", "outcomes", "format", "length", "command",
  ]
  /// The largest weight, so that no sum leaves the numbers.
  static let weightLimit = 1_000_000

  /// Throws for names that are unknown or doubled, weights that are none, and options that are missing or belong to no
  /// rule.
  package init(_ text: String, options: RewardOptions) throws(RewardError) {
    try options.check()
    rules = try Self.parse(text, options)
    self.options = options
    try Self.checkUse(of: options, by: rules)
    program = options.command.map {
      RewardProgram($0, limit: .seconds(options.commandTimeout), isIsolated: options.isolatesCommand)
    }
  }

  /// Whether a prompt without an answer cannot be paid.
  package var needsAnswers: Bool { rules.contains { $0.rule.needsAnswers } }

  /// Whether a completion without `<think>` and `</think>` loses something.
  package var needsReasoning: Bool { rules.contains { $0.rule == .format(.reasoning) } }

  /// What a user should know, in whole sentences without a stop. Tries, the first time, whether the system can keep a
  /// program from the network.
  package var notes: [String] { program?.notes ?? [] }

  /// What samples are worth, in their order. Throws where a program does not say; it is then started anew by the next
  /// call.
  package func verdicts(_ samples: [RewardedSample]) throws(RewardError) -> [RewardVerdict] {
    let replies = try program?.replies(to: samples)
    return samples.indices.map { verdict(samples[$0], reply: replies?[$0]) }
  }

  /// Ends the program, if there is one.
  package func close() { program?.close() }

  private func verdict(_ sample: RewardedSample, reply: ProgramReplies.Reply?) -> RewardVerdict {
    var verdict = RewardVerdict(reward: 0, outcome: nil, parts: [])
    for weighted in rules {
      let (value, outcome) = weighted.rule.value(of: sample, reply: reply)
      verdict.reward += weighted.weight * value
      verdict.outcome = verdict.outcome ?? outcome
      verdict.parts.append(RewardVerdict.Part(name: weighted.rule.name, value: value))
    }
    return verdict
  }
}

extension RewardRules {
  /// All that decides about rewards, for the record of a run.
  package var json: JSONValue {
    var object = JSONObject([
      (
        "rules",
        .array(rules.map { ["name": .string($0.rule.name), "weight": .double($0.weight)] })
      )
    ])
    for weighted in rules {
      switch weighted.rule {
      case .grader(.numeric(let tolerance)): object["tolerance"] = .double(tolerance)
      case .grader(.regex(let pattern)): object["regex_pattern"] = .string(pattern.source)
      case .grader: break
      case .format: object["format_pattern"] = options.formatPattern.map { .string($0) } ?? .null
      case .length(let cache): object["length_cache"] = cache.map { .int($0) } ?? .null
      case .outcomes(let penalty): object["wrong_penalty"] = .double(penalty)
      case .command:
        object["command"] = options.command.map { .string($0) } ?? .null
        object["command_isolated"] = .bool(options.isolatesCommand)
      }
    }
    return .object(object)
  }

  /// Throws for the first prompt that no completion could be right for: of numbers, a target that is none; of
  /// expressions, one that is no integer, or no numbers to make it of. `file` is where the prompts are from.
  package func check(_ prompts: [RewardedPrompt], file: String) throws(RewardError) {
    for prompt in prompts {
      for weighted in rules where weighted.rule.needsAnswers {
        guard let reason = weighted.rule.objection(to: prompt) else { continue }
        throw .prompt(file: file, line: prompt.number, reason: reason)
      }
    }
  }
}

extension RewardRule {
  /// Why no completion of the prompt could be right, and what to do.
  fileprivate func objection(to prompt: RewardedPrompt) -> String? {
    let target = prompt.target
    guard prompt.hasAnswer else {
      return "it has no answer, by which \(name) is to judge; add \"answer\", or leave the reward out"
    }
    switch self {
    case .grader(.numeric) where !target.texts.contains { WrittenNumber($0) != nil }:
      return "its answer is no number, by which numeric is to judge; write one, or take exact or contains"
    case .grader(.integerExpression) where target.numbers.isEmpty:
      return "it has no numbers, of which an expression is to be made; add \"numbers\": [3, 7, 11]"
    case .grader(.integerExpression) where !target.texts.contains { Int($0) != nil }:
      return "its answer is no integer, which an expression is to have as its value; write one"
    default: return nil
    }
  }
}
