/// Random numbers that anybody can make again: those of a seed and a purpose, by their place.
///
/// There is no state to share or to save. A purpose is a text such as a parameter's name: two purposes share no
/// numbers.
package struct RandomStream: Sendable {
  @usableFromInline let key: SIMD2<UInt32>

  /// A stream of its own for every pair of a seed and a purpose.
  package init(seed: UInt64, purpose: String) {
    var hash: UInt64 = 14_695_981_039_346_656_037
    for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
    let block = Philox.block(Self.words(hash, 0), key: Self.words(seed))
    key = SIMD2(block.x, block.y)
  }

  @inlinable static func words(_ number: UInt64) -> SIMD2<UInt32> {
    SIMD2(UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
  }

  @inlinable static func words(_ low: UInt64, _ high: UInt64) -> SIMD4<UInt32> {
    SIMD4(lowHalf: words(low), highHalf: words(high))
  }

  /// 128 bits, for each pair of numbers others.
  @inlinable package func bits(_ place: UInt64, _ group: UInt64 = 0) -> SIMD4<UInt32> {
    Philox.block(Self.words(place, group), key: key)
  }

  /// The number at a place of a group: from 0 to below 1, a multiple of 2⁻⁵³.
  @inlinable package func uniform(_ place: UInt64, _ group: UInt64 = 0) -> Double {
    let bits = bits(place, group)
    return Double((UInt64(bits.x) << 32 | UInt64(bits.y)) >> 11) * 0x1p-53
  }

  /// Two independent numbers of mean 0 and variance 1 (Box and Muller), none beyond ±6.77. The first of the words says
  /// how far from 0 both lie, the other in which direction.
  @inlinable static func normalPair(_ distance: UInt32, _ direction: UInt32) -> (Double, Double) {
    let radius = (-2 * FixedMath.logarithm((Double(distance) + 0.5) * 0x1p-32)).squareRoot()
    let (sine, cosine) = FixedMath.sineAndCosine(turns: direction)
    return (radius * cosine, radius * sine)
  }

  /// Four of them: the numbers `4 · place` to `4 · place + 3` of the stream.
  @inlinable package func normals(_ place: UInt64) -> SIMD4<Double> {
    let bits = bits(place)
    let (a, b) = Self.normalPair(bits.x, bits.y)
    let (c, d) = Self.normalPair(bits.z, bits.w)
    return SIMD4(a, b, c, d)
  }
}
