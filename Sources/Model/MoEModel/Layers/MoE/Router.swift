import Kernels
import Tensors

/// The experts chosen for each row of a batch, in ascending order of id, and the factor on each one's output.
package final class RouterDecisions {
  package let topK: Int
  /// `[rows, topK]`
  package let experts: AlignedBuffer<Int32>
  /// `[rows, topK]`
  package let weights: AlignedBuffer<Float>

  /// Room for the decisions of `capacity` rows, of `topK` experts each.
  package init(capacity: Int, topK: Int) {
    self.topK = topK
    experts = AlignedBuffer(count: capacity * topK)
    weights = AlignedBuffer(count: capacity * topK)
  }
}

/// Chooses experts from router logits.
///
/// Formulas: DeepSeek-V3 report, section 2.1.2 (sigmoid, groups, selection bias); DeepSeek-V2, section 2.1.3 (softmax,
/// groups by maximum), ERNIE 4.5 (softmax with a selection bias, and a floor under the sum), DeepSeek-V4 (√softplus
/// with a selection bias, or experts that follow from the token). Ties go to the lower expert id. All arithmetic is
/// fp32 in ascending expert order.
package struct Router: Sendable {
  let description: RouterDescription
  let expertCount: Int
  let topK: Int

  package init(_ moe: MoEDescription) {
    description = moe.router
    expertCount = moe.expertCount
    topK = moe.topK
  }

  /// Decides one row: `logits`, `selectionBias`, which is added to scores to choose by, and the scratch `scores` and
  /// `choice` are `[expertCount]`; `experts` and `weights` are written, `[topK]`.
  ///
  /// `given`: the row's experts, `[topK]`, ascending, where they are not the router's to choose. With `compute` scores
  /// come from a vector kernel, which has the same bits.
  package func decide(
    logits: UnsafePointer<Float>, selectionBias: UnsafePointer<Float>?, given: UnsafePointer<Int32>? = nil,
    scores: UnsafeMutablePointer<Float>,
    choice: UnsafeMutablePointer<Float>, experts: UnsafeMutablePointer<Int32>, weights: UnsafeMutablePointer<Float>,
    on compute: Compute? = nil
  ) {
    switch description.scoring {
    case .sigmoid:
      if let compute {
        // One times each sigmoid.
        choice.update(repeating: 1, count: expertCount)
        compute.sigmoidMultiply(gate: logits, choice, out: scores, count: expertCount)
        break
      }
      for e in 0..<expertCount { scores[e] = sigmoid(logits[e]) }
    case .softmax: Self.softmax(logits, into: scores, count: expertCount)
    case .softmaxOverChosen: for e in 0..<expertCount { scores[e] = logits[e] }
    case .rootSoftplus: for e in 0..<expertCount { scores[e] = softplus(logits[e]).squareRoot() }
    }
    if let given {
      experts.update(from: given, count: topK)
    } else {
      choose(scores, selectionBias: selectionBias, choice: choice, into: experts)
    }
    for i in 0..<topK { weights[i] = scores[Int(experts[i])] }
    if description.scoring == .softmaxOverChosen { Self.softmax(weights, into: weights, count: topK) }
    if description.normalizes {
      var sum: Float = 0
      for i in 0..<topK { sum += weights[i] }
      if description.scoring == .sigmoid || description.scoring == .rootSoftplus { sum += 1e-20 }
      sum = max(sum, description.normFloor)
      for i in 0..<topK { weights[i] /= sum }
    }
    if description.scale != 1 { for i in 0..<topK { weights[i] *= description.scale } }
  }

  /// The experts of greatest score, biased, in the best groups.
  private func choose(
    _ scores: UnsafePointer<Float>, selectionBias: UnsafePointer<Float>?, choice: UnsafeMutablePointer<Float>,
    into experts: UnsafeMutablePointer<Int32>
  ) {
    for e in 0..<expertCount { choice[e] = scores[e] + (selectionBias?[e] ?? 0) }
    if let groups = description.groups { rejectGroups(groups, choice) }
    selectTop(choice, into: experts)
  }

  /// out := e^(logit − the highest) / their sum, both `[count]`; out may be logits.
  package static func softmax(_ logits: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    var highest = logits[0]
    for e in 1..<max(count, 1) { highest = max(highest, logits[e]) }
    var sum: Float = 0
    for e in 0..<count {
      out[e] = exponential(logits[e] - highest)
      sum += out[e]
    }
    for e in 0..<count { out[e] /= sum }
  }

  /// Sets the choice scores of all but the best groups to −∞.
  private func rejectGroups(_ groups: RouterDescription.Groups, _ choice: UnsafeMutablePointer<Float>) {
    let size = expertCount / groups.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: groups.count) { groupScores in
      for group in 0..<groups.count {
        var first = -Float.infinity
        var second = -Float.infinity
        for e in (group * size)..<((group + 1) * size) {
          if choice[e] > first {
            second = first
            first = choice[e]
          } else if choice[e] > second {
            second = choice[e]
          }
        }
        groupScores[group] = groups.score == .maximum ? first : first + second
      }
      for _ in 0..<(groups.count - groups.kept) {
        // The worst group left, the last of equals, so that ties keep the lower one.
        var worst = -1
        for group in 0..<groups.count where !groupScores[group].isNaN {
          if worst < 0 || groupScores[group] <= groupScores[worst] { worst = group }
        }
        guard worst >= 0 else { return }
        groupScores[worst] = .nan
        for e in (worst * size)..<((worst + 1) * size) { choice[e] = -.infinity }
      }
    }
  }

  /// The ids of the `topK` largest scores, ascending.
  private func selectTop(_ choice: UnsafeMutablePointer<Float>, into experts: UnsafeMutablePointer<Int32>) {
    // Insertion into a short list ordered by (score descending, id ascending).
    var held = 0
    for e in 0..<expertCount {
      let score = choice[e]
      if held == topK, !(score > choice[Int(experts[topK - 1])]) { continue }
      var at = held < topK ? held : topK - 1
      while at > 0, score > choice[Int(experts[at - 1])] {
        experts[at] = experts[at - 1]
        at -= 1
      }
      experts[at] = Int32(e)
      if held < topK { held += 1 }
    }
    var chosen = UnsafeMutableBufferPointer(start: experts, count: topK)
    chosen.sort()
  }
}
