/// A number that every step of a training has.
package enum TrainingMetric: Int, CaseIterable, Sendable {
  case loss, gradientNorm, learningRate, tokensPerSecond, utilization, communicationShare, loadMaxOverMean, deadExperts
  case balanceLoss, seconds
  /// Of the module that predicts the token after the next one; no number without one.
  case predictionLoss

  package static let count = allCases.count

  /// Its key in JSON, as in the lines of `train --json` where these have it.
  package var name: String {
    switch self {
    case .loss: "loss"
    case .gradientNorm: "gradient_norm"
    case .learningRate: "learning_rate"
    case .tokensPerSecond: "tokens_per_second"
    case .utilization: "mfu"
    case .communicationShare: "communication_share"
    case .loadMaxOverMean: "load_max_over_mean"
    case .deadExperts: "dead_experts"
    case .balanceLoss: "balance_loss"
    case .seconds: "seconds"
    case .predictionLoss: "prediction_loss"
    }
  }
}
