import CGradients
import Kernels

/// By what a student's distribution over the next token is compared with a teacher's; definitions in `divergence.h`.
package struct Divergence: Equatable, Sendable {
  /// From 0, the forward KL(teacher ‖ student), to 1, the reverse KL(student ‖ teacher); between them the generalised
  /// Jensen–Shannon divergence as in GKD (arXiv 2306.13649).
  package let beta: Double
  /// Both rows of logits are divided by it. The gradient is that of what it makes of them, without a factor of its
  /// square.
  package let temperature: Float

  /// `beta` in [0, 1]; `temperature` positive and finite.
  package init(beta: Double, temperature: Float = 1) {
    precondition((0...1).contains(beta) && temperature > 0 && temperature.isFinite, "no divergence")
    (self.beta, self.temperature) = (beta, temperature)
  }

  /// KL(teacher ‖ student).
  package static let forward = Divergence(beta: 0)
  /// KL(student ‖ teacher).
  package static let reverse = Divergence(beta: 1)
}

/// What a student's row of logits says beside a teacher's.
package struct DivergenceScore: Equatable, Sendable {
  /// In nats; NaN where one of the rows is not finite. Rounding may leave it a little below 0.
  package var divergence: Double
  /// Of the student, in nats, at temperature 1.
  package var entropy: Double
  /// The student's log-probability of the target at temperature 1: bit for bit that of `TargetScore`. Nil without one.
  package var logprob: Float?
}

extension Compute {
  /// Turns the student's logits `[count]` of one row into the gradient of factor · divergence from the teacher's
  /// `[count]`, which are scratch afterwards. A negative target is none.
  package func divergence(
    _ divergence: Divergence, student: UnsafeMutablePointer<Float>, teacher: UnsafeMutablePointer<Float>, count: Int,
    target: Int32 = -1, factor: Float
  ) -> DivergenceScore {
    precondition(count > 0 && Int(target) < count, "a target outside of the vocabulary")
    let row = cg_divergence(
      isa, student, teacher, count, target < 0 ? count : Int(target), factor,
      cg_divergence_kind(beta: divergence.beta, temperature: divergence.temperature))
    let logprob = LogSoftmax(greatest: row.known.greatest, sum: row.known.sum)(row.known.target)
    return DivergenceScore(divergence: row.divergence, entropy: row.entropy, logprob: target < 0 ? nil : logprob)
  }

  /// Entropy of the distribution that the logits `[count]` of one row stand for, in nats: log Σ e^logit − Σ p · logit.
  /// NaN where they are not finite, but for −∞ beside finite ones.
  package func entropy(_ logits: UnsafePointer<Float>, count: Int) -> Double { cg_entropy(isa, logits, count) }
}
