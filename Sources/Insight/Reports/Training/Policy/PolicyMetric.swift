/// A number that a step of reinforcement learning may have, beside those of every training.
package enum PolicyMetric: Int, CaseIterable, Sendable {
  /// Mean over the step's completions.
  case reward
  /// Tokens a completion.
  case meanLength
  /// Nats a token, of the distributions that were sampled from.
  case entropy
  /// Share of groups whose rewards differ; the others teach nothing.
  case signalGroups
  /// Greatest |log-probability in training − in the rollout| before the step's first update: 0 where both are the same
  /// bits.
  case maxLogRatio
  /// Share of tokens whose ratio the objective cut.
  case clippedShare
  /// Nats a token between the policy and the model that it must stay near to.
  case referenceKL
  /// Share of (token, layer) whose experts are others after the update.
  case changedRoutes
  case rolloutSeconds, rewardSeconds, updateSeconds
  case rolloutTokensPerSecond, updateTokensPerSecond

  /// Its key in JSON, as in the lines of `train grpo --json` where these have it.
  package var name: String {
    switch self {
    case .reward: "reward"
    case .meanLength: "mean_length"
    case .entropy: "entropy"
    case .signalGroups: "signal_groups"
    case .maxLogRatio: "max_log_ratio"
    case .clippedShare: "clipped_share"
    case .referenceKL: "reference_kl"
    case .changedRoutes: "changed_routes"
    case .rolloutSeconds: "rollout_seconds"
    case .rewardSeconds: "reward_seconds"
    case .updateSeconds: "update_seconds"
    case .rolloutTokensPerSecond: "rollout_tokens_per_second"
    case .updateTokensPerSecond: "update_tokens_per_second"
    }
  }
}
