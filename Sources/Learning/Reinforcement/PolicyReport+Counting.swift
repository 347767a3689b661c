import DistributedTraining
import Evaluation
import Rewards

extension PolicyReport {
  /// Takes what was sampled and judged.
  mutating func note(_ sampled: [SampledGroup]) {
    groups = sampled.count
    signalGroups = sampled.count(where: \.hasSignal)
    var sums: [Double] = []
    for group in sampled {
      for (completion, verdict) in zip(group.completions, group.verdicts) {
        count += 1
        sampledTokens += completion.tokens.count
        reward += verdict.reward
        if verdict.outcome != nil { graded += 1 }
        if verdict.outcome == .right { right += 1 }
        if verdict.outcome == .noAnswer { noAnswer += 1 }
        if completion.isCut { cut += 1 }
        if sums.isEmpty { sums = Array(repeating: 0, count: verdict.parts.count) }
        for (i, part) in verdict.parts.enumerated() where sums.indices.contains(i) { sums[i] += part.value }
      }
    }
    let all = Double(max(1, count))
    reward /= all
    parts = zip(sampled.first?.verdicts.first?.parts ?? [], sums).map { (name: $0.name, value: $1 / all) }
  }

  mutating func note(_ findings: PolicyFindings, hasReference: Bool) {
    let count = Double(max(1, findings.count))
    entropy = findings.entropy / count
    clippedShare = Double(findings.clipped) / count
    referenceKL = hasReference ? findings.divergence / count : nil
  }
}

extension SampledGroup {
  /// Its best and its worst completion, to be read.
  func transcripts(_ judge: CompletionJudge) throws -> [PolicyTranscript] {
    let order = completions.indices.sorted { (-verdicts[$0].reward, $0) < (-verdicts[$1].reward, $1) }
    guard let best = order.first, let worst = order.last else { return [] }
    return try (best == worst ? [best] : [best, worst]).map { place in
      let (completion, verdict) = (completions[place], verdicts[place])
      return PolicyTranscript(
        prompt: prompt.text, completion: try judge.text(of: completion),
        answer: prompt.rewarded.hasAnswer ? prompt.rewarded.target.texts.joined(separator: " or ") : nil,
        outcome: verdict.outcome?.rawValue, isCut: completion.isCut, reward: verdict.reward,
        advantage: advantages[place], tokenCount: completion.tokens.count)
    }
  }
}
