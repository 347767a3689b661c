import Glibc

/// SplitMix64 (Steele, Lea and Flood, 2014), and what is drawn from it here.
package struct RandomSource: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// More than 0 and at most 1, in steps of 2⁻⁵³.
  mutating func unit() -> Double { Double((next() >> 11) + 1) / 0x1p53 }

  /// Mean 0, variance 1 (Box and Muller).
  mutating func normal() -> Double { (-2 * log(unit())).squareRoot() * cos(2 * .pi * unit()) }

  /// Mean `shape`, variance `shape` (Marsaglia and Tsang, 2000); `shape` is more than 0.
  mutating func gamma(shape: Double) -> Double {
    guard shape >= 1 else { return gamma(shape: shape + 1) * pow(unit(), 1 / shape) }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(unit()) < 0.5 * x * x + d * (1 - v + log(v)) { return d * v }
    }
  }
}
