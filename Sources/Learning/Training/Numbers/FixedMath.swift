/// Functions that libraries round differently, from additions, multiplications, divisions and square roots alone, which
/// IEEE 754 rounds in one way: the same bits on every machine.
///
/// Swift joins no multiplication and addition into one operation, so that what is written here is what is computed.
package enum FixedMath {
  @usableFromInline static let ln2 = 0.693147180559945309417232121458176568
  @usableFromInline static let twoPi = 6.283185307179586476925286766559005768

  /// The natural logarithm of a normal positive number, to about 1e-16 of its value or, near 1, of 1.
  ///
  /// x = m · 2ⁿ with m between √½ and √2; ln m = 2 · artanh s for s = (m − 1) / (m + 1), |s| ≤ 0.172, from its series.
  @inlinable package static func logarithm(_ x: Double) -> Double {
    var (m, n) = (x.significand, Double(x.exponent))
    if m > 1.414213562373095 { (m, n) = (m * 0.5, n + 1) }
    let s = (m - 1) / (m + 1)
    let z = s * s
    var sum = 1.0 / 23 * z + 1.0 / 21
    sum = sum * z + 1.0 / 19
    sum = sum * z + 1.0 / 17
    sum = sum * z + 1.0 / 15
    sum = sum * z + 1.0 / 13
    sum = sum * z + 1.0 / 11
    sum = sum * z + 1.0 / 9
    sum = sum * z + 1.0 / 7
    sum = sum * z + 1.0 / 5
    sum = sum * z + 1.0 / 3
    sum = sum * z + 1
    return n * ln2 + 2 * (s * sum)
  }

  /// Sine and cosine of `turns` · 2⁻³² full turns. The eighth of a turn around the nearest quarter is found from the
  /// bits, exactly, and the series take an angle of π / 4 at most.
  @inlinable package static func sineAndCosine(turns: UInt32) -> (sine: Double, cosine: Double) {
    let shifted = turns &+ 0x2000_0000
    let rest = Double(Int64(shifted & 0x3FFF_FFFF) - 0x2000_0000) * 0x1p-32
    return quarter(shifted >> 30, rest: rest)
  }

  /// cos(π · x) for x from 0 to 1.
  package static func cosine(halfTurns x: Double) -> Double {
    let quarters = x < 0.25 ? 0 : x < 0.75 ? 1 : 2
    return quarter(UInt32(quarters), rest: (x - Double(quarters) * 0.5) * 0.5).cosine
  }

  /// `rest`: turns after so many quarters, at most an eighth either way.
  @inlinable static func quarter(_ quarters: UInt32, rest: Double) -> (sine: Double, cosine: Double) {
    let x = rest * twoPi
    let z = x * x
    // 1 − z/2 · (1 − z/12 · (1 − …)) and 1 − z/6 · (1 − z/20 · (1 − …)), from the inside.
    var cosine = 1 - z * (1.0 / 306)
    cosine = 1 - cosine * z * (1.0 / 240)
    cosine = 1 - cosine * z * (1.0 / 182)
    cosine = 1 - cosine * z * (1.0 / 132)
    cosine = 1 - cosine * z * (1.0 / 90)
    cosine = 1 - cosine * z * (1.0 / 56)
    cosine = 1 - cosine * z * (1.0 / 30)
    cosine = 1 - cosine * z * (1.0 / 12)
    cosine = 1 - cosine * z * (1.0 / 2)
    var sine = 1 - z * (1.0 / 342)
    sine = 1 - sine * z * (1.0 / 272)
    sine = 1 - sine * z * (1.0 / 210)
    sine = 1 - sine * z * (1.0 / 156)
    sine = 1 - sine * z * (1.0 / 110)
    sine = 1 - sine * z * (1.0 / 72)
    sine = 1 - sine * z * (1.0 / 42)
    sine = 1 - sine * z * (1.0 / 20)
    sine = 1 - sine * z * (1.0 / 6)
    sine *= x
    switch quarters {
    case 0: return (sine, cosine)
    case 1: return (cosine, -sine)
    case 2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }

  /// `base` multiplied with itself, by squaring: `exponent` is at least 0.
  package static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}
