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
    var sums = [Double](repeating: 0, count: expertCount)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * expertCount) { memory in
      let (scores, shares) = (memory.start, memory.start + expertCount)
      for t in 0..<logits.rowCount {
        score(logits[t], into: scores)
        share(scores, into: shares)
        for e in 0..<expertCount { sums[e] += Double(shares[e]) }
      }
    }
    return balance(shares: sums, experts: experts, tokens: logits.rowCount, coefficient: coefficient)
  }

  /// Adds the balance loss's gradients by one row's logits, both `[expertCount]`: through P, the loads being constants.
  package func addBalance(
    _ balance: SequenceBalance, logits: UnsafePointer<Float>, to gradients: UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * expertCount) { memory in
      let (scores, shares) = (memory.start, memory.start + expertCount)
      score(logits, into: scores)
      share(scores, into: shares)
      add(balance, logits: logits, scores: scores, shares: shares, to: gradients)
    }
  }

  /// Both for all rows of a sequence, logits and gradients `[tokens, expertCount]`, `experts` `[tokens, topK]`, with
  /// the same bits: scores are computed once. Returns the loss; `coefficient` is α.
  package func addBalance(
    coefficient: Float, logits: MatrixView<Float>, experts: UnsafePointer<Int32>, to gradients: MatrixView<Float>,
    on compute: Compute
  ) -> Double {
    let (tokens, count) = (logits.rowCount, expertCount)
    var sums = [Double](repeating: 0, count: count)
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: (tokens + 1) * count) { memory in
      let (shares, scores) = (memory.start, memory.start + count)
      for t in 0..<tokens {
        let row = scores + t * count
        if scoring == .sigmoid {
          compute.sigmoids(logits[t], into: row, count: count)
        } else {
          score(logits[t], into: row)
        }
        share(row, into: shares)
        for e in 0..<count { sums[e] += Double(shares[e]) }
      }
      let balance = balance(shares: sums, experts: experts, tokens: tokens, coefficient: coefficient)
      for t in 0..<tokens {
        share(scores + t * count, into: shares)
        add(balance, logits: logits[t], scores: scores + t * count, shares: shares, to: gradients[t])
      }
      return balance.loss
    }
  }

  /// From the sums over tokens of each expert's share.
  private func balance(
    shares: [Double], experts: UnsafePointer<Int32>, tokens: Int, coefficient: Float
  ) -> SequenceBalance {
    var counts = [Int](repeating: 0, count: expertCount)
    for i in 0..<tokens * topK { counts[Int(experts[i])] += 1 }
    let even = Float(topK * max(tokens, 1)) / Float(expertCount)
    let loads = counts.map { Float($0) / even }
    var loss = 0.0
    for e in 0..<expertCount { loss += Double(loads[e]) * (shares[e] / Double(max(tokens, 1))) }
    return SequenceBalance(loads: loads, loss: Double(coefficient) * loss, factor: coefficient / Float(max(tokens, 1)))
  }

  private func add(
    _ balance: SequenceBalance, logits: UnsafePointer<Float>, scores: UnsafePointer<Float>,
    shares: UnsafePointer<Float>, to gradients: UnsafeMutablePointer<Float>
  ) {
    balance.loads.withUnsafeBufferPointer { loads in
      var mean: Float = 0
      for e in 0..<expertCount { mean += loads[e] * shares[e] }
      let (factor, scoring) = (balance.factor, scoring)
      for e in 0..<expertCount {
        let byLogit = factor * shares[e] * (loads[e] - mean)
        switch scoring {
        case .sigmoid: gradients[e] += byLogit * (1 - scores[e])
        case .rootSoftplus: gradients[e] += byLogit * Self.rootSlope(logits[e], score: scores[e])
        case .softmax, .softmaxOverChosen: gradients[e] += byLogit
        }
      }
    }
  }

  /// Adds the gradients of factor · (log Σ e^logit)² by one row's logits, both `[expertCount]` (ST-MoE, arXiv
  /// 2202.08906, equation 5); returns that loss.
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

  /// A row's scores, `[expertCount]`. A router that scores only what is chosen is balanced by the softmax over all.
  private func score(_ logits: UnsafePointer<Float>, into scores: UnsafeMutablePointer<Float>) {
    switch scoring {
    case .sigmoid: for e in 0..<expertCount { scores[e] = sigmoid(logits[e]) }
    case .rootSoftplus: for e in 0..<expertCount { scores[e] = softplus(logits[e]).squareRoot() }
    case .softmax, .softmaxOverChosen: Router.softmax(logits, into: scores, count: expertCount)
    }
  }

  /// Scores over their sum, `[expertCount]`; zeros where all scores are zero.
  private func share(_ scores: UnsafePointer<Float>, into shares: UnsafeMutablePointer<Float>) {
    shares.update(from: scores, count: expertCount)
    guard scoring == .sigmoid || scoring == .rootSoftplus else { return }
    var sum: Float = 0
    for e in 0..<expertCount { sum += scores[e] }
    guard sum != 0 else { return }
    for e in 0..<expertCount { shares[e] /= sum }
  }
}
