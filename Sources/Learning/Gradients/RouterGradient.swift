import Kernels
import MoEModel
import Tensors

/// Gradients of a router's logits: from those of the chosen experts' weights (`Router.decide`), and from what balances
/// the experts. The choice itself, its groups and its bias have none.
///
/// All arithmetic is fp32 in ascending order of experts.
package struct RouterGradient: Sendable {
  let scoring: RouterDescription.Scoring
  let normalizes: Bool
  let normFloor: Float
  let scale: Float
  package let expertCount: Int
  package let topK: Int

  /// Of a router that chooses `topK` of `expertCount` experts for a token.
  package init(_ router: RouterDescription, expertCount: Int, topK: Int) {
    (scoring, normalizes, scale) = (router.scoring, router.normalizes, router.scale)
    normFloor = router.normFloor
    (self.expertCount, self.topK) = (expertCount, topK)
  }

  package init(_ moe: MoEDescription) {
    self.init(moe.router, expertCount: moe.expertCount, topK: moe.topK)
  }

  /// One row's gradients by its logits, both `[expertCount]`, from the `experts` chosen and `weightGradients`, the
  /// gradients by their weights, both `[topK]`.
  package func write(
    logits: UnsafePointer<Float>, experts: UnsafePointer<Int32>, weightGradients: UnsafePointer<Float>,
    into gradients: UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: expertCount + 2 * topK) { scratch in
      let scores = scratch.start
      let chosen = scores + expertCount
      let byScore = chosen + topK
      switch scoring {
      case .sigmoid:
        for i in 0..<topK { chosen[i] = sigmoid(logits[Int(experts[i])]) }
      case .softmax:
        Router.softmax(logits, into: scores, count: expertCount)
        for i in 0..<topK { chosen[i] = scores[Int(experts[i])] }
      case .softmaxOverChosen:
        for i in 0..<topK { chosen[i] = logits[Int(experts[i])] }
        Router.softmax(chosen, into: chosen, count: topK)
      case .rootSoftplus:
        for i in 0..<topK { chosen[i] = softplus(logits[Int(experts[i])]).squareRoot() }
      }
      differentiateWeights(chosen, weightGradients, into: byScore)
      for e in 0..<expertCount { gradients[e] = 0 }
      switch scoring {
      case .sigmoid:
        for i in 0..<topK { gradients[Int(experts[i])] = byScore[i] * (chosen[i] * (1 - chosen[i])) }
      case .softmax:
        let mean = product(chosen, byScore)
        for e in 0..<expertCount { gradients[e] = -(scores[e] * mean) }
        for i in 0..<topK { gradients[Int(experts[i])] = chosen[i] * (byScore[i] - mean) }
      case .softmaxOverChosen:
        let mean = product(chosen, byScore)
        for i in 0..<topK { gradients[Int(experts[i])] = chosen[i] * (byScore[i] - mean) }
      case .rootSoftplus:
        for i in 0..<topK {
          let logit = logits[Int(experts[i])]
          gradients[Int(experts[i])] = byScore[i] * (chosen[i] * Self.rootSlope(logit, score: chosen[i]))
        }
      }
    }
  }

  /// Gradients by the chosen scores `[topK]`, of weights scale · score, or scale · score / Σ score, whose
  /// divisor is a constant where it is the floor.
  private func differentiateWeights(
    _ scores: UnsafePointer<Float>, _ weightGradients: UnsafePointer<Float>, into byScore: UnsafeMutablePointer<Float>
  ) {
    guard normalizes else {
      for i in 0..<topK { byScore[i] = scale * weightGradients[i] }
      return
    }
    var sum: Float = 0
    for i in 0..<topK { sum += scores[i] }
    if scoring == .sigmoid || scoring == .rootSoftplus { sum += 1e-20 }
    if sum < normFloor {
      for i in 0..<topK { byScore[i] = scale / normFloor * weightGradients[i] }
      return
    }
    var mean: Float = 0
    for i in 0..<topK { mean += scores[i] / sum * weightGradients[i] }
    for i in 0..<topK { byScore[i] = scale / sum * (weightGradients[i] - mean) }
  }

  /// The gradient of √softplus(logit), over that `score`: sigmoid(logit) / (2 softplus(logit)), which comes to 1/2
  /// where the score is 0.
  static func rootSlope(_ logit: Float, score: Float) -> Float {
    let squared = score * score
    return squared == 0 ? 0.5 : sigmoid(logit) / (2 * squared)
  }

  private func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Float {
    var sum: Float = 0
    for i in 0..<topK { sum += a[i] * b[i] }
    return sum
  }
}
