import CGradients
import Kernels
import Tensors

/// What a row of logits says of its target.
package struct TargetScore: Equatable, Sendable {
  /// log softmax of the target: the same function of the logits, bit for bit, as where tokens are sampled.
  package var logprob: Float
  /// log Σ e^logit.
  package var logSum: Double

  /// `logprob` and `logSum` are natural logarithms.
  package init(logprob: Float, logSum: Double) { (self.logprob, self.logSum) = (logprob, logSum) }
}

extension Compute {
  /// log softmax of the token `target` in a row of logits `[count]`: the bits of `TargetScore.logprob`.
  package func logprob(_ logits: UnsafePointer<Float>, count: Int, target: Int32) -> Float {
    let greatest = max(logits, count: count)
    return logSoftmax(logits, count: count, greatest: greatest)(logits[Int(target)])
  }

  /// Turns the logits `[count]` of one row into the gradient of its loss, factor · −log softmax(target) + zFactor ·
  /// (log Σ e^logit)², in place; definition in `row_gradients.h`. A negative target masks the row: its gradient is
  /// zero, and nil is returned. What is not finite becomes NaN, in the gradient and in the score.
  package func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, count: Int, target: Int32, factor: Float, zFactor: Float = 0
  ) -> TargetScore? {
    guard target >= 0 else {
      logits.update(repeating: 0, count: count)
      return nil
    }
    precondition(Int(target) < count, "a target outside of the vocabulary")
    let known = cg_cross_entropy(isa, logits, count, Int(target), factor, zFactor)
    let logSoftmax = LogSoftmax(greatest: known.greatest, sum: known.sum)
    return TargetScore(logprob: logSoftmax(known.target), logSum: logSoftmax.logSum)
  }

  /// The same for this worker's share of the rows of `logits`, `[rows, count]`, all with this `factor` and `zFactor`:
  /// targets and scores are `[rows]`, a masked row's score is nil.
  package func crossEntropy(
    _ logits: MatrixView<Float>, targets: UnsafePointer<Int32>, factor: Float, zFactor: Float = 0,
    scores: UnsafeMutablePointer<TargetScore?>, worker: Int
  ) {
    for row in share(of: logits.rowCount, worker: worker) {
      scores[row] = crossEntropy(
        logits[row], count: logits.columns, target: targets[row], factor: factor, zFactor: zFactor)
    }
  }
}
