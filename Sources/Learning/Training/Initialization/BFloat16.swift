/// Rounding to bf16: to nearest, ties to even, which is what weights are exported and computed with.
package enum BFloat16 {
  /// The sixteen bits of an fp32 number that is rounded; NaN stays one, and what is too large becomes infinite.
  @inlinable package static func bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    guard value == value else { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16) & 1) >> 16)
  }

  /// The fp32 number with these upper sixteen bits.
  @inlinable package static func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// Rounds `source` into `target`, which has as many elements.
  package static func round(_ source: UnsafeBufferPointer<Float>, into target: UnsafeMutableBufferPointer<UInt16>) {
    for i in 0..<min(source.count, target.count) { target[i] = bits(source[i]) }
  }

  /// target[i] := source[i] rounded, both `[count]` and apart.
  package static func round(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] = value(bits(source[i])) }
  }
}
