private import Glibc

/// log softmax of a row of logits, one at a time: a token's log-probability has these bits wherever it is told, sampled
/// by or learnt from.
package struct LogSoftmax {
  private let greatest: Double
  private let rest: Double

  /// `greatest` of the logits; `sum`: Σ e^(logit − greatest).
  package init(greatest: Float, sum: Float) { (self.greatest, rest) = (Double(greatest), log(Double(sum))) }

  /// log Σ e^logit.
  package var logSum: Double { greatest + rest }

  /// The natural logarithm of the probability of the token with this logit.
  package func callAsFunction(_ logit: Float) -> Float { Float(Double(logit) - greatest - rest) }
}

extension Compute {
  /// Of logits `[count]`, the greatest of which is known.
  package func logSoftmax(_ logits: UnsafePointer<Float>, count: Int, greatest: Float) -> LogSoftmax {
    LogSoftmax(greatest: greatest, sum: sumExp(logits, count: count, shift: greatest))
  }
}
