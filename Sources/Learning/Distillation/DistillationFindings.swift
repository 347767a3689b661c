import DistributedTraining

/// What learnt tokens told of the student, added up.
struct DistillationFindings: LeafFindings, Equatable {
  var count = 0
  var entropy = 0.0
  var crossEntropy = 0.0

  mutating func add(_ told: DivergenceLoss.Told) {
    guard told.isLearnt else { return }
    count += 1
    entropy += told.entropy
    crossEntropy -= Double(told.logprob)
  }

  mutating func add(_ other: DistillationFindings) {
    count += other.count
    entropy += other.entropy
    crossEntropy += other.crossEntropy
  }
}

extension DistillationReport {
  mutating func note(_ findings: DistillationFindings) {
    let count = Double(max(1, findings.count))
    (entropy, crossEntropy) = (findings.entropy / count, findings.crossEntropy / count)
  }
}
