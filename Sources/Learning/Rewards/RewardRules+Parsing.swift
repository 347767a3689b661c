import Evaluation

extension RewardRules {
  /// Reads `name[=weight]`, separated by commas.
  static func parse(_ text: String, _ options: RewardOptions) throws(RewardError) -> [Weighted] {
    let blanks: (Character) -> Bool = { $0.isWhitespace }
    let entries = text.split(separator: ",", omittingEmptySubsequences: false)
    guard !text.allSatisfy(blanks) else { throw .noRules }
    var rules: [Weighted] = []
    for entry in entries {
      let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = parts[0].filter { !$0.isWhitespace }
      let rule = try self.rule(name, options)
      guard !rules.contains(where: { $0.rule.name == rule.name }) else { throw .repeatedRule(rule.name) }
      rules.append(Weighted(rule: rule, weight: parts.count > 1 ? try weight(parts[1], of: rule) : 1))
    }
    return rules
  }

  private static func weight(_ text: Substring, of rule: RewardRule) throws(RewardError) -> Double {
    let digits = text.filter { !$0.isWhitespace }
    guard let weight = Double(digits), abs(weight) <= Double(weightLimit) else {
      throw .badWeight(rule: rule.name, text: String(text))
    }
    return weight
  }

  private static func rule(_ name: String, _ options: RewardOptions) throws(RewardError) -> RewardRule {
    switch name {
    case "exact": return .grader(.exact)
    case "numeric": return .grader(.numeric(tolerance: options.tolerance))
    case "expression", "integer-expression": return .grader(.integerExpression)
    case "contains": return .grader(.contains)
    case "claim": return .grader(.claim(RewardRule.claimWords))
    case "regex":
      guard let pattern = options.regexPattern else { throw .missingOption(.regexPattern, rule: name) }
      return .grader(.regex(try answerPattern(pattern)))
    case "outcomes": return .outcomes(wrongPenalty: options.wrongPenalty)
    case "length": return .length(cache: options.lengthCache)
    case "format":
      guard let pattern = options.formatPattern else { return .format(.reasoning) }
      do throws(PatternFailure) { return .format(try CompletionFormat(pattern: pattern)) } catch {
        throw .badPattern(.formatPattern, reason: error.description)
      }
    case "command":
      guard options.command != nil else { throw .missingOption(.command, rule: name) }
      return .command
    default: throw .unknownRule(name)
    }
  }

  /// What the first group finds, or the whole pattern where it has none.
  private static func answerPattern(_ source: String) throws(RewardError) -> AnswerPattern {
    if let pattern = try? AnswerPattern(source, group: 1) { return pattern }
    do throws(PatternFailure) { return try AnswerPattern(source, group: 0) } catch {
      throw .badPattern(.regexPattern, reason: error.description)
    }
  }

  /// Throws for an option that was given for a rule which was not.
  static func checkUse(of options: RewardOptions, by rules: [Weighted]) throws(RewardError) {
    let given: [(flag: RewardOptions.Flag, rule: String, isGiven: Bool)] = [
      (.command, "command", options.command != nil), (.regexPattern, "regex", options.regexPattern != nil),
      (.formatPattern, "format", options.formatPattern != nil),
    ]
    for option in given where option.isGiven && !rules.contains(where: { $0.rule.name == option.rule }) {
      throw .unusedOption(option.flag, rule: option.rule)
    }
  }
}

extension RewardOptions {
  /// The longest time for a batch, in seconds: a week.
  private static let timeoutLimit = 604_800.0

  /// Throws for numbers that are none, or out of range.
  func check() throws(RewardError) {
    let limit = Double(RewardRules.weightLimit)
    guard tolerance >= 0, tolerance.isFinite else {
      throw .outOfRange(.tolerance, found: "\(tolerance)", expected: "a number that is not negative")
    }
    guard wrongPenalty >= 0, wrongPenalty <= limit else {
      throw .outOfRange(
        .wrongPenalty, found: "\(wrongPenalty)", expected: "a number from 0 to \(RewardRules.weightLimit)")
    }
    guard lengthCache.map({ $0 >= 1 }) ?? true else {
      throw .outOfRange(.lengthCache, found: "\(lengthCache ?? 0)", expected: "at least one token")
    }
    guard commandTimeout > 0, commandTimeout <= Self.timeoutLimit else {
      throw .outOfRange(
        .timeout, found: "\(commandTimeout)", expected: "a number of seconds above 0, at most \(Int(Self.timeoutLimit))"
      )
    }
    guard let command else { return }
    guard command.contains(where: { !$0.isWhitespace }), !command.utf8.contains(0) else {
      throw .outOfRange(.command, found: "\"\(command)\"", expected: "a command without NUL bytes")
    }
  }
}
