import Rewards

/// A prompt's completions, judged.
struct SampledGroup {
  let prompt: PolicyPrompts.Prompt
  let completions: [Completion]
  let verdicts: [RewardVerdict]
  let advantages: [Double]

  var hasSignal: Bool { advantages.contains { $0 != 0 } }

  init(
    _ prompt: PolicyPrompts.Prompt, _ completions: [Completion], _ verdicts: [RewardVerdict], dividesByDeviation: Bool
  ) {
    (self.prompt, self.completions, self.verdicts) = (prompt, completions, verdicts)
    advantages = Advantage.of(verdicts.map(\.reward), divides: dividesByDeviation)
  }
}
