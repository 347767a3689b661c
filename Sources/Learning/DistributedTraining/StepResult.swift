import Backpropagation
import Training

/// What a step is told.
package struct StepSettings: Sendable {
  package var learningRate: Double
  package var adamW = AdamW()
  package var muon = Muon()
  /// The longest gradient; nil for any.
  package var clip: Double? = 1
  /// By how much the selection bias moves.
  package var balanceSpeed = 0.0
  /// λ of multi-token prediction, for a model that is trained with a module.
  package var predictionLoss: Float = 0
  package var objective = Objective(factor: 1)
  /// Of the square of a row's log Σ e^logit, as a mean over tokens; 0 for none.
  package var headZLoss: Float = 0

  /// Of the learning rate of routers, over that of all else.
  package var routerRate = 1.0

  package init(learningRate: Double) { self.learningRate = learningRate }
}

/// What came of a step; the same on every rank.
package struct StepResult: Sendable, Equatable {
  /// Mean −log p of the tokens predicted.
  package let loss: Double
  /// The same of the prediction module, of the tokens after the next ones; nil without one.
  package let predictionLoss: Double?
  package let balanceLoss: Double
  package let predicted: Int
  package let gradientNorm: Double
  /// By layer, tokens by expert.
  package let loads: [Int: [Int]]
  /// A loss or gradient that is no number.
  package let fault: StepFault?

  /// Of a step that changed nothing, as there was nothing to learn.
  package static let nothing = StepResult(
    loss: 0, predictionLoss: nil, balanceLoss: 0, predicted: 0, gradientNorm: 0, loads: [:], fault: nil)

  /// Of a step of several updates, which tells of the last, and of the tokens of all.
  package func following(_ other: StepResult?) -> StepResult {
    guard let other else { return self }
    return StepResult(
      loss: loss, predictionLoss: predictionLoss, balanceLoss: balanceLoss, predicted: predicted + other.predicted,
      gradientNorm: gradientNorm, loads: loads, fault: fault ?? other.fault)
  }

  /// Of the layer where it is greatest: tokens of the busiest expert over the mean.
  package var loadMaxOverMean: Double {
    loads.values.reduce(0) { most, counts in
      let total = counts.reduce(0, +)
      return max(most, total == 0 ? 0 : Double((counts.max() ?? 0) * counts.count) / Double(total))
    }
  }
}
