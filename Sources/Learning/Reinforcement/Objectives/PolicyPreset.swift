/// Published settings by name.
package enum PolicyPreset: String, Sendable, CaseIterable {
  case grpo
  case drGRPO = "dr-grpo"
  case dapo, gspo, r1

  /// What a preset sets; what is nil stays as it is.
  package struct Values: Sendable {
    package var objective = PolicyObjective()
    package var promptsPerStep: Int?
    package var groupSize: Int?
    package var maxNewTokens: Int?
    package var learningRate: Double?
  }

  package var values: Values {
    var values = Values()
    switch self {
    case .grpo:
      // arXiv 2402.03300, sections 4.1 and 4.2.
      values.objective.dividesByDeviation = true
      values.objective.mean = .completions
      (values.objective.clipLow, values.objective.clipHigh) = (0.2, 0.2)
      values.objective.referencePenalty = 0.04
      (values.groupSize, values.learningRate) = (64, 1e-6)
    case .drGRPO:
      // arXiv 2503.20783.
      values.objective.mean = .limit
      (values.objective.clipLow, values.objective.clipHigh) = (0.2, 0.2)
    case .dapo:
      // arXiv 2503.14476, section 4.1.
      values.objective.dividesByDeviation = true
      values.objective.resamples = true
      values.objective.masksCut = true
      (values.promptsPerStep, values.groupSize, values.objective.updates) = (512, 16, 16)
      values.learningRate = 1e-6
    case .gspo:
      // arXiv 2507.18071, section 5.1.
      values.objective.dividesByDeviation = true
      values.objective.mean = .completions
      values.objective.ratio = .sequence
      (values.objective.clipLow, values.objective.clipHigh) = (3e-4, 4e-4)
      values.objective.updates = 4
    case .r1:
      // arXiv 2501.12948, section 2.1: 32 questions and 16 outputs a step, 16 steps for each time that 8192 outputs are
      // sampled, the reference replaced every 400 steps.
      values.objective.dividesByDeviation = true
      values.objective.mean = .completions
      (values.objective.clipLow, values.objective.clipHigh) = (10, 10)
      values.objective.referencePenalty = 0.001
      values.objective.referenceEvery = 25
      (values.promptsPerStep, values.groupSize, values.objective.updates) = (512, 16, 16)
      (values.maxNewTokens, values.learningRate) = (32_768, 3e-6)
    }
    return values
  }
}
