import CKernels
import Testing

@testable import Kernels

/// Numbers of sixteen bits and fewer as they are stored, expanded to fp32.
struct StoredCodeTests {
  /// All codes in a row, as often as fills the bytes.
  private func expanded(_ format: ck_format, _ bytes: [UInt8], count: Int) -> [Float] {
    let memory = GuardedMemory(byteCount: count * 4)
    ck_expand(format, bytes, nil, count, memory.floats)
    return withExtendedLifetime(memory) { Array(UnsafeBufferPointer(start: memory.floats, count: count)) }
  }

  private func check(_ format: ck_format, _ bytes: [UInt8], _ expected: [Float]) {
    // Lengths at which a loop over vectors ends within one.
    for count in Array(0...70) + [expected.count - 3, expected.count] {
      let found = expanded(format, bytes, count: count)
      let isSame = zip(found, expected).allSatisfy { $0.bitPattern == $1.bitPattern }
      #expect(isSame && found.count == count, "\(format), \(count) numbers")
    }
  }

  @Test func everyHalfIsItsValue() {
    let codes = (0...UInt16.max).map { $0 }
    let bytes = codes.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let values = codes.map { code -> Float in
      let half = Float16(bitPattern: code)
      // What is no number keeps its fraction, and is made quiet.
      guard half.isNaN else { return Float(half) }
      return Float(bitPattern: UInt32(code & 0x8000) << 16 | 0x7FC0_0000 | UInt32(code & 0x3FF) << 13)
    }
    check(CK_F16, bytes, values)
    check(CK_BF16, bytes, codes.map { Float(bitPattern: UInt32($0) << 16) })
  }

  @Test func everyByteOfFP8IsItsValue() {
    let values = (0...UInt8.max).map { code -> Float in
      let (exponent, fraction) = (Int(code >> 3 & 15), Float(code & 7))
      var value = Float(sign: .plus, exponent: max(exponent, 1) - 7, significand: fraction / 8 + (exponent > 0 ? 1 : 0))
      if code & 127 == 127 { value = Float(bitPattern: 0x7FC0_0000) }
      return code & 128 == 0 ? value : -value
    }
    check(CK_F8E4M3, Array(0...UInt8.max), values)
  }

  @Test func everyNibbleOfFP4IsItsValue() {
    let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    let numbers = magnitudes + magnitudes.map { -$0 }
    let bytes = Array(0...UInt8.max)
    check(CK_MXFP4, bytes, bytes.flatMap { [numbers[Int($0 & 15)], numbers[Int($0 >> 4)]] })
  }
}
