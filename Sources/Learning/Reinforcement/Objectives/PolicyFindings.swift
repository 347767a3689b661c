import DistributedTraining

/// What learnt tokens told, added up.
struct PolicyFindings: LeafFindings {
  var count = 0
  var entropy = 0.0
  var divergence = 0.0
  var clipped = 0
  var maxLogRatio = 0.0

  mutating func add(_ told: PolicyLoss.Told, sampled: Float) {
    guard told.isLearnt else { return }
    count += 1
    entropy += told.entropy
    divergence += told.divergence
    if told.isClipped { clipped += 1 }
    let ratio = Double(abs(told.logprob - sampled))
    // What is no number is the greatest.
    maxLogRatio = ratio.isNaN ? .infinity : max(maxLogRatio, ratio)
  }

  mutating func add(_ other: PolicyFindings) {
    count += other.count
    entropy += other.entropy
    divergence += other.divergence
    clipped += other.clipped
    maxLogRatio = max(maxLogRatio, other.maxLogRatio)
  }
}
