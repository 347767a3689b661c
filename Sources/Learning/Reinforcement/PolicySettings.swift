import JSON

/// All that decides about the numbers of a policy's training, beside what every training has.
package struct PolicySettings: Sendable {
  package var promptsPerStep = 32
  /// Completions of each prompt.
  package var groupSize = 16
  package var maxNewTokens = 256
  package var temperature = 1.0
  package var objective = PolicyObjective()
  /// Rounds of other prompts, at most, in the place of groups without signal.
  package static let mostRounds = 8
  /// Completions whose routes are compared before and after a step.
  package static let tracedCount = 16

  package init() {}

  /// Completions of one round.
  package var completionCount: Int { promptsPerStep * groupSize }
  /// Leaves of an update: parts of about as many rows, of a number that never changes.
  package var leafCount: Int { max(1, promptsPerStep / objective.updates) }

  /// Throws for numbers that no training can have.
  package func check() throws(ReinforcementError) {
    for (what, value, range) in [
      ("--prompts-per-step", promptsPerStep, 1...1_000_000), ("--group-size", groupSize, 1...100_000),
      ("--max-new-tokens", maxNewTokens, 1...10_000_000),
    ] where !range.contains(value) {
      throw .badSetting(what, "\(value)", "give a number between \(range.lowerBound) and \(range.upperBound)")
    }
    guard !promptsPerStep.multipliedReportingOverflow(by: groupSize).overflow, completionCount <= 10_000_000 else {
      throw .badSetting(
        "--prompts-per-step times --group-size", "\(promptsPerStep) · \(groupSize)", "lower one of them")
    }
    guard groupSize > 1 else {
      throw .badSetting(
        "--group-size", "\(groupSize)", "a completion is held against others of its group: give 2 or more")
    }
    guard temperature > 0, temperature <= 100 else {
      throw .badSetting("--temperature", "\(temperature)", "give a number above 0: equal completions teach nothing")
    }
    guard promptsPerStep % objective.updates == 0 else {
      throw .badSetting(
        "--updates", "\(objective.updates)", "give a divisor of --prompts-per-step, which is \(promptsPerStep)")
    }
    try objective.check()
  }

  package var json: JSONValue {
    [
      "prompts_per_step": .int(promptsPerStep), "group_size": .int(groupSize), "max_new_tokens": .int(maxNewTokens),
      "temperature": .double(temperature), "objective": objective.json,
    ]
  }
}
