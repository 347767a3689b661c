import JSON

/// What a step of reinforcement learning minimises.
package struct PolicyObjective: Sendable, Equatable {
  /// What a ratio π(now) / π(when sampled) is of.
  package enum Ratio: String, Sendable, CaseIterable {
    case token
    /// Of whole completions, to the power 1/|o| (GSPO, arXiv 2507.18071).
    case sequence
  }

  /// What tokens' losses are divided by.
  package enum Mean: String, Sendable, CaseIterable {
    /// All tokens of the update together (DAPO, arXiv 2503.14476, equation 8).
    case tokens
    /// Each completion's by its length, and by their number (GRPO, arXiv 2402.03300, equation 3).
    case completions
    /// The number of completions times the most tokens one may have (Dr. GRPO, arXiv 2503.20783).
    case limit
  }

  /// Divide advantages by the standard deviation of their group's rewards.
  package var dividesByDeviation = false
  package var mean = Mean.tokens
  package var ratio = Ratio.token
  /// By how much a ratio may be below and above 1 before it is clipped.
  package var clipLow = 0.2
  package var clipHigh = 0.28
  /// β of the penalty KL(π ‖ reference), by Schulman's estimator K3.
  package var referencePenalty = 0.0
  /// Steps after which the reference becomes the policy; 0 for never.
  package var referenceEvery = 0
  /// Sample other prompts in the place of groups whose rewards are all equal (DAPO's dynamic sampling).
  package var resamples = false
  /// Learn nothing of completions that were cut off (DAPO's overlong filtering).
  package var masksCut = false
  /// Updates of the model for each time that completions are sampled.
  package var updates = 1

  package init() {}

  /// Throws for numbers that no objective can have.
  package func check() throws(ReinforcementError) {
    for (what, value) in [
      ("--clip-low", clipLow), ("--clip-high", clipHigh), ("--reference-penalty", referencePenalty),
    ] where !(value >= 0 && value.isFinite) {
      throw .badSetting(what, "\(value)", "give a number that is not negative")
    }
    guard (1...1024).contains(updates) else {
      throw .badSetting("--updates", "\(updates)", "give a number between 1 and 1024")
    }
    guard referenceEvery >= 0 else {
      throw .badSetting("--reference-every", "\(referenceEvery)", "give a number of steps, or 0 for never")
    }
  }

  /// All that decides about its numbers.
  package var json: JSONValue {
    [
      "divides_by_deviation": .bool(dividesByDeviation), "mean": .string(mean.rawValue),
      "ratio": .string(ratio.rawValue), "clip_low": .double(clipLow), "clip_high": .double(clipHigh),
      "reference_penalty": .double(referencePenalty), "reference_every": .int(referenceEvery),
      "resamples": .bool(resamples), "masks_cut": .bool(masksCut), "updates": .int(updates),
    ]
  }
}
