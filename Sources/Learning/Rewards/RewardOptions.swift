/// What rewards are told beside their names.
package struct RewardOptions: Sendable, Equatable {
  /// What a whole completion must be for `format`; nil for R1's: reasoning between marks, and an answer after it.
  package var formatPattern: String?
  /// What `regex` finds in an answer: its first group, or the whole match where it has none.
  package var regexPattern: String?
  /// How far from its target a number may be for `numeric`.
  package var tolerance = 0.0
  /// λ: what a wrong answer costs for `outcomes`. Answering pays where it is right with a probability above λ/(1+λ).
  package var wrongPenalty = 1.0
  /// Tokens before the limit within which `length` falls from 0 to -1; nil for a fifth of the limit, as DAPO has it.
  package var lengthCache: Int?
  /// What `command` runs, by `/bin/sh -c`.
  package var command: String?
  /// Seconds that it may take for a batch.
  package var commandTimeout = 60.0
  /// Whether it is to be without the network.
  package var isolatesCommand = true

  package init() {}

  /// How users spell them, for errors.
  package enum Flag: String, Sendable, CaseIterable {
    case formatPattern = "--reward-format-pattern"
    case regexPattern = "--reward-regex-pattern"
    case tolerance = "--reward-tolerance"
    case wrongPenalty = "--reward-wrong-penalty"
    case lengthCache = "--reward-length-cache"
    case command = "--reward-command"
    case timeout = "--reward-timeout"

    /// What stands after it, in a word.
    var value: String {
      switch self {
      case .formatPattern, .regexPattern: "PATTERN"
      case .tolerance, .wrongPenalty: "NUMBER"
      case .lengthCache: "TOKENS"
      case .command: "COMMAND"
      case .timeout: "SECONDS"
      }
    }
  }
}
