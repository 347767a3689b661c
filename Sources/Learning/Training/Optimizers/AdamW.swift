/// AdamW (Loshchilov and Hutter, 2019): Adam with decay apart from the gradient, over fp32 masters, element by element,
/// so that no division of the work changes a bit.
///
/// For each element, each operation rounded to fp32:
/// w ← w · (1 − η λ);  m ← β₁ · m + (1 − β₁) · g;  v ← β₂ · v + (1 − β₂) · g · g;
/// w ← w − (η / c₁) · (m / (√v / √c₂ + ε)),  cᵢ = 1 − βᵢᵗ.
package struct AdamW: Sendable, Equatable {
  package var beta1 = 0.9
  package var beta2 = 0.95
  /// DeepSeek-V3 has 1e-8, V4 1e-20.
  package var epsilon = 1e-8
  /// λ.
  package var decay = 0.1

  package init() {}

  package func check() throws(TrainingError) {
    for (name, beta) in [("beta 1", beta1), ("beta 2", beta2)] where !(beta >= 0 && beta < 1) {
      throw .badOption("AdamW's \(name)", "\(beta)", "give a number from 0 to below 1")
    }
    guard epsilon > 0, epsilon.isFinite, Float(epsilon) > 0 else {
      throw .badOption("AdamW's epsilon", "\(epsilon)", "give a positive number that fp32 can hold")
    }
    guard decay >= 0, decay.isFinite else {
      throw .badOption("the weight decay", "\(decay)", "give a number that is not negative")
    }
  }

  /// The numbers of one step that all elements share.
  package struct Step: Sendable {
    let keep: Float
    let (beta1, beta2): (Float, Float)
    let (rest1, rest2): (Float, Float)
    let rate: Float
    let root: Float
    let epsilon: Float
  }

  /// `number`: of the step, from 1. `decays`: whether decay applies to the parameter.
  package func step(_ number: Int, learningRate: Double, decays: Bool) -> Step {
    let correction1 = 1 - FixedMath.power(beta1, number)
    let correction2 = 1 - FixedMath.power(beta2, number)
    return Step(
      keep: Float(1 - learningRate * (decays ? decay : 0)), beta1: Float(beta1), beta2: Float(beta2),
      rest1: Float(1 - beta1), rest2: Float(1 - beta2), rate: Float(learningRate / correction1),
      root: Float(correction2.squareRoot()), epsilon: Float(epsilon))
  }
}

extension AdamW.Step {
  /// Updates `count` elements: weights, both moments `[count]` in place, from gradients `[count]` that are multiplied
  /// with
  /// `factor` first, as clipping and the loss's scale ask for. None of the four overlap.
  package func update(
    weights: UnsafeMutablePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, factor: Float, count: Int
  ) {
    var i = 0
    // Eight at once: the same operations, whose roundings know no neighbours.
    while i + 8 <= count {
      var (w, m, v) = (Self.eight(weights + i), Self.eight(firstMoment + i), Self.eight(secondMoment + i))
      let g = Self.eight(gradient + i) * factor
      m = beta1 * m + rest1 * g
      v = beta2 * v + rest2 * g * g
      w = w * keep - rate * (m / (v.squareRoot() / root + epsilon))
      UnsafeMutableRawPointer(firstMoment + i).storeBytes(of: m, as: SIMD8<Float>.self)
      UnsafeMutableRawPointer(secondMoment + i).storeBytes(of: v, as: SIMD8<Float>.self)
      UnsafeMutableRawPointer(weights + i).storeBytes(of: w, as: SIMD8<Float>.self)
      i += 8
    }
    while i < count {
      let g = gradient[i] * factor
      let m = beta1 * firstMoment[i] + rest1 * g
      let v = beta2 * secondMoment[i] + rest2 * g * g
      firstMoment[i] = m
      secondMoment[i] = v
      weights[i] = weights[i] * keep - rate * (m / (v.squareRoot() / root + epsilon))
      i += 1
    }
  }

  private static func eight(_ elements: UnsafePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(elements).loadUnaligned(as: SIMD8<Float>.self)
  }
}
