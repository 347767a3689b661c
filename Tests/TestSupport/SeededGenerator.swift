/// SplitMix64 (Steele, Lea and Flood, 2014): the same draws for the same seed, so that a failing case can be run again.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From -1 to 1.
  package mutating func float() -> Float { Float.random(in: -1...1, using: &self) }

  /// Evenly spread, each from the upper 24 bits of one draw.
  package mutating func floats(_ count: Int, in range: ClosedRange<Float> = -2...2) -> [Float] {
    let width = (range.upperBound - range.lowerBound) * 0x1p-24
    return (0..<count).map { _ in range.lowerBound + Float(next() >> 40) * width }
  }

  /// `count` different ids below `limit`, ascending.
  package mutating func ids(_ count: Int, below limit: Int) -> [Int32] {
    Array((0..<Int32(limit)).shuffled(using: &self).prefix(count)).sorted()
  }
}
