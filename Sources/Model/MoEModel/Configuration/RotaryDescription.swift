import Glibc

/// Rotary position embedding: which dimensions turn, how they are paired, and how fast.
package struct RotaryDescription: Sendable {
  /// How frequencies are stretched beyond the context length of pretraining.
  package enum Scaling: Sendable, Equatable {
    case none
    case linear(factor: Double)
    /// YaRN (arXiv 2309.00071), as in the reference implementation's `_compute_yarn_parameters`.
    case yarn(factor: Double, originalPositions: Int, betaFast: Double, betaSlow: Double, truncates: Bool)
    /// Llama 3.1's smooth transition by wavelength.
    case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalPositions: Int)

    /// Nil without scaling.
    package var factor: Double? {
      switch self {
      case .none: nil
      case .linear(let factor), .yarn(let factor, _, _, _, _), .llama3(let factor, _, _, _): factor
      }
    }

    /// Positions that a model of `maximum` positions serves: scaling that was added to a model whose `maximum` was left
    /// as it was, as model cards have it, extends them by its factor (vLLM's rule); it never takes any away.
    func context(of maximum: Int, atMost limit: Int) -> Int {
      let scaled: Double
      switch self {
      case .none, .llama3: return maximum
      case .linear(let factor): scaled = factor * Double(maximum)
      case .yarn(let factor, let original, _, _, _): scaled = factor * Double(original)
      }
      return max(maximum, Int(min(scaled, Double(limit))))
    }
  }

  /// Latent attention's queries, all of their dimensions, times 1 + beta · ln(1 + ⌊position / positions⌋): what Llama 4
  /// does to its queries without rotation, and Mistral to all.
  package struct QueryScaling: Sendable, Equatable {
    package var beta: Double
    package var positions: Int

    /// 1 at the positions of pretraining.
    package func factor(at position: Int) -> Float { Float(1 + beta * log(Double(1 + position / positions))) }
  }

  /// Rotated dimensions of a head; the rest is left alone. Even.
  package var dims: Int
  package var base: Double
  package var scaling: Scaling
  /// Factor on all cosines and sines.
  package var attentionFactor: Double
  /// Pairs are (2j, 2j+1) rather than (j, j + dims/2).
  package var interleaved: Bool
  /// How queries grow with their position; nil where they do not.
  package var queryScaling: QueryScaling? = nil

  /// Angle, in radians, that one position adds to each pair, `[dims / 2]`.
  package var inverseFrequencies: [Float] {
    let half = dims / 2
    let plain = (0..<half).map { 1 / pow(base, Double(2 * $0) / Double(dims)) }
    switch scaling {
    case .none: return plain.map { Float($0) }
    case .linear(let factor): return plain.map { Float($0 / factor) }
    case .yarn(let factor, let original, let betaFast, let betaSlow, let truncates):
      let (low, high) = yarnRange(original: original, betaFast: betaFast, betaSlow: betaSlow, truncates: truncates)
      return plain.enumerated().map { j, frequency in
        let ramp = min(max((Double(j) - low) / (high == low ? 0.001 : high - low), 0), 1)
        return Float(frequency / factor * ramp + frequency * (1 - ramp))
      }
    case .llama3(let factor, let lowFactor, let highFactor, let original):
      return plain.map { frequency in
        let wavelength = 2 * Double.pi / frequency
        if wavelength < Double(original) / highFactor { return Float(frequency) }
        if wavelength > Double(original) / lowFactor { return Float(frequency / factor) }
        let smooth = (Double(original) / wavelength - lowFactor) / (highFactor - lowFactor)
        return Float((1 - smooth) * frequency / factor + smooth * frequency)
      }
    }
  }

  /// The dimensions between which YaRN blends from extrapolation to interpolation.
  private func yarnRange(original: Int, betaFast: Double, betaSlow: Double, truncates: Bool) -> (Double, Double) {
    func correction(_ rotations: Double) -> Double {
      Double(dims) * log(Double(original) / (rotations * 2 * Double.pi)) / (2 * log(base))
    }
    var low = correction(betaFast)
    var high = correction(betaSlow)
    if truncates {
      low = low.rounded(.down)
      high = high.rounded(.up)
    }
    return (max(low, 0), min(high, Double(dims - 1)))
  }

  /// Writes the cosine and sine of every pair's angle at `position`, `[dims / 2]` each.
  package func angles(
    at position: Int, frequencies: [Float], cosine: UnsafeMutablePointer<Float>, sine: UnsafeMutablePointer<Float>
  ) {
    let factor = Float(attentionFactor)
    for j in 0..<(dims / 2) {
      let angle = Double(Float(position) * frequencies[j])
      cosine[j] = Float(cos(angle)) * factor
      sine[j] = Float(sin(angle)) * factor
    }
  }

  /// YaRN's growth of attention logits with the context: 0.1 · mscale · ln(factor) + 1.
  package static func yarnMagnitude(factor: Double, mscale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1
  }
}
