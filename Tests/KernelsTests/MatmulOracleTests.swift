import CKernels
import COpenBLAS
import Foundation
import TestSupport
import Testing

/// The reference against arithmetic that is not ours.
struct MatmulOracleTests {
  static let shapes = [(1, 1, 1), (2, 17, 33), (3, 16, 256), (2, 40, 257), (5, 33, 600)]

  /// Each product-sum rounds once: at most k roundings of 2^-24 of the sum of magnitudes; the blocks' and the bias's
  /// additions are covered by taking 2^-23.
  static func bound(k: Int, magnitude: Double) -> Double { Double(k + 1) * 0x1p-23 * magnitude }

  @Test(arguments: ck_format.all)
  func theReferenceIsWithinItsRoundingErrorOfDoublePrecision(format: ck_format) {
    for (m, n, length) in Self.shapes {
      let k = format == CK_MXFP4 ? length + length % 2 : length
      let weights = MatmulWeights(format, rows: n, columns: k, seed: UInt64(k))
      var generator = SeededGenerator(77)
      let x = generator.floats(m * k)
      let bias = generator.floats(n)
      let y = weights.multiply(CK_ISA_REFERENCE, x: x, xStride: k, m: m, n: n, bias: bias, yStride: n)
      for j in 0..<n {
        let row = (0..<k).map { Double(weights.value(row: j, column: $0)) }
        for i in 0..<m {
          var sum = Double(bias[j])
          var magnitude = abs(sum)
          for c in 0..<k {
            let product = Double(x[i * k + c]) * row[c]
            sum += product
            magnitude += abs(product)
          }
          #expect(abs(Double(y[i * n + j]) - sum) <= Self.bound(k: k, magnitude: magnitude))
        }
      }
    }
  }

  @Test func theReferenceAgreesWithOpenBLAS() {
    for (m, n, k) in Self.shapes {
      let weights = MatmulWeights(CK_F32, rows: n, columns: k, seed: UInt64(k))
      var generator = SeededGenerator(78)
      let x = generator.floats(m * k)
      let w = (0..<n * k).map { weights.value(row: $0 / k, column: $0 % k) }
      var expected = [Float](repeating: 0, count: m * n)
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, numericCast(m), numericCast(n), numericCast(k), 1, x, numericCast(k),
        w, numericCast(k), 0, &expected, numericCast(n))
      let y = weights.multiply(CK_ISA_REFERENCE, x: x, xStride: k, m: m, n: n, yStride: n)
      for i in 0..<m {
        for j in 0..<n {
          let magnitude = (0..<k).reduce(0) { $0 + abs(Double(x[i * k + $1]) * Double(w[j * k + $1])) }
          let difference = abs(Double(y[i * n + j]) - Double(expected[i * n + j]))
          #expect(difference <= 2 * Self.bound(k: k, magnitude: magnitude))
        }
      }
    }
  }

  /// A block's chain starts anew at 256: 2^24 swallows a 1 within its block, not one of the next block's.
  @Test func blocksOfKAreSummedApart() {
    var row = [Float](repeating: 0, count: 512)
    row[0] = 0x1p24
    row[1] = 1
    for isa in ck_isa.supported {
      for (place, expected) in [(1, Float(0x1p24)), (256, 0x1p24 + 2)] {
        row[1] = place == 1 ? 1 : 0
        row[256] = place == 256 ? 1 : 0
        row[257] = row[256]
        let panel = GuardedMemory(byteCount: ck_panel_bytes(CK_F32, 512))
        ck_pack_rows(CK_F32, row, 2048, 1, 0, 512, 512, panel.start)
        let x = [Float](repeating: 1, count: 512)
        var y: Float = 0
        withMatmulScratch { ck_matmul(isa, CK_F32, panel.start, 1, 512, x, 512, 1, nil, &y, 1, $0) }
        #expect(y == expected)
      }
    }
  }

  @Test func f8E4M3ElementsHaveTheirDefinedValues() {
    let codes = (0...255).map { UInt8($0) }
    var out = [Float](repeating: 0, count: 256)
    ck_expand(CK_F8E4M3, codes, nil, 256, &out)
    for code in codes { expectSame(out[Int(code)], ElementValues.f8e4m3(code), negative: code >= 0x80) }
    #expect(out[0x7E] == 448 && out[0x01] == 0x1p-9 && out[0x08] == 0x1p-6)
  }

  @Test func f16AndBF16ElementsHaveTheirDefinedValues() {
    let codes = (0...65535).map { UInt16($0) }
    var f16 = [Float](repeating: 0, count: 65536)
    var bf16 = f16
    ck_expand(CK_F16, codes, nil, 65536, &f16)
    ck_expand(CK_BF16, codes, nil, 65536, &bf16)
    var wrong: [UInt16] = []
    for code in codes {
      let value = Float(ElementValues.f16(code))
      let half = f16[Int(code)]
      let brain = Float(bitPattern: UInt32(code) << 16)
      let sameHalf = value.isNaN ? half.isNaN : half.bitPattern == value.bitPattern
      let sameBrain = brain.isNaN ? bf16[Int(code)].isNaN : bf16[Int(code)].bitPattern == brain.bitPattern
      if !sameHalf || !sameBrain { wrong.append(code) }
    }
    #expect(wrong.isEmpty)
  }

  /// Every nibble under every scale, through a panel.
  @Test func mxfp4WeightsAreTheNibblesValueTimesThePowerOfTwo() {
    let panel = GuardedMemory(byteCount: ck_panel_bytes(CK_MXFP4, 16))
    let row = (0..<8 as Range<UInt8>).map { pair -> UInt8 in 0x10 + pair * 0x22 }
    ck_pack_rows(CK_MXFP4, row, 8, 1, 0, 16, 16, panel.start)
    for scale in 0...255 as ClosedRange<UInt8> {
      ck_set_scales(CK_MXFP4, panel.start, 16, 0, [scale], 1)
      var out = [Float](repeating: 0, count: 16)
      ck_expand_panel_row(CK_MXFP4, panel.start, 16, 0, &out)
      for nibble in 0..<16 {
        let value = ElementValues.fp4(UInt8(nibble)) * ElementValues.e8m0(scale)
        expectSame(out[nibble], value, negative: nibble >= 8)
      }
    }
  }

  private func expectSame(_ value: Float, _ expected: Double, negative: Bool) {
    if expected.isNaN {
      #expect(value.isNaN)
    } else {
      #expect(value == Float(expected) && (value.sign == .minus) == negative)
    }
  }
}
