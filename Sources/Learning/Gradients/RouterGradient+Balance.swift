import CGradients
import Kernels
import MoEModel
import Tensors

/// How evenly one sequence uses the experts: DeepSeek-V3's balance loss (report, section 2.1.2), α Σ f_i P_i.
package struct SequenceBalance: Sendable {
  /// f: each expert's share of the assignments, 1 where all have as many, `[expertCount]`.
  package let loads: [Float]
  /// α Σ f_i P_i, P_i being the mean over tokens of expert i's normalised score.
  package let loss: Double
  /// α / tokens.
  let factor: Float
}

extension RouterGradient {
  /// The balance loss of one sequence: logits `[tokens, expertCount]`, experts `[tokens, topK]`. `coefficient` is α.
  package func balance(
    logits: MatrixView<Float>, experts: UnsafePointer<Int32>, coefficient: Float
  ) -> SequenceBalance {
    let tokens = logits.rowCount
    var counts = [Int](repeating: 0, count: expertCount)
    var means = [Double](repeating: 0, count: expertCount)
    for i in 0..<tokens * topK { counts[Int(experts[i])] += 1 }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: expertCount) { shares in
      for t in 0..<tokens {
        share(logits[t], into: shares.baseAddress!)
        for e in 0..<expertCount { means[e] += Double(shares[e]) }
      }
    }
    let even = Float(topK * max(tokens, 1)) / Float(expertCount)
    let loads = counts.map { Float($0) / even }
    var loss = 0.0
    for e in 0..<expertCount { loss += Double(loads[e]) * (means[e] / Double(max(tokens, 1))) }
    return SequenceBalance(loads: loads, loss: Double(coefficient) * loss, factor: coefficient / Float(max(tokens, 1)))
  }

  /// Adds the balance loss's gradients by one row's logits, both `[expertCount]`: through P, the loads being constants.
  package func addBalance(
    _ balance: SequenceBalance, logits: UnsafePointer<Float>, to gradients: UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: expertCount) { shares in
      share(logits, into: shares.baseAddress!)
      var mean: Float = 0
      for e in 0..<expertCount { mean += balance.loads[e] * shares[e] }
      for e in 0..<expertCount {
        let byLogit = balance.factor * shares[e] * (balance.loads[e] - mean)
        gradients[e] += scoring == .sigmoid ? byLogit * (1 - sigmoid(logits[e])) : byLogit
      }
    }
  }

  /// Adds the gradients of factor · (log Σ e^logit)² by one row's logits, both `[expertCount]` (ST-MoE, arXiv 2202.08906,
  /// equation 5); returns that loss.
  package func addZLoss(
    factor: Float, logits: UnsafePointer<Float>, to gradients: UnsafeMutablePointer<Float>
  ) -> Double {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: expertCount) { shares in
      var highest = logits[0]
      for e in 1..<max(expertCount, 1) { highest = max(highest, logits[e]) }
      var sum: Float = 0
      for e in 0..<expertCount {
        shares[e] = exponential(logits[e] - highest)
        sum += shares[e]
      }
      let logSum = Double(highest) + cg_log(Double(sum))
      let pull = 2 * factor * Float(logSum) / sum
      for e in 0..<expertCount { gradients[e] += pull * shares[e] }
      return Double(factor) * logSum * logSum
    }
  }

  /// A row's scores over their sum, `[expertCount]`; zeros where all scores are zero. A router that scores only what is
  /// chosen is balanced by the softmax over all.
  private func share(_ logits: UnsafePointer<Float>, into shares: UnsafeMutablePointer<Float>) {
    guard scoring == .sigmoid else { return Router.softmax(logits, into: shares, count: expertCount) }
    var sum: Float = 0
    for e in 0..<expertCount {
      shares[e] = sigmoid(logits[e])
      sum += shares[e]
    }
    guard sum != 0 else { return }
    for e in 0..<expertCount { shares[e] /= sum }
  }
}
