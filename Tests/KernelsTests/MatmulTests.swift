import CKernels
import Foundation
import TestSupport
import Testing

struct MatmulTests {
  static let outputCounts = [1, 15, 16, 17, 31, 32, 33, 48, 100]
  static let lengths = [1, 2, 31, 32, 33, 64, 127, 128, 129, 255, 256, 257, 300, 600]
  static let rowCounts = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33, 64]

  static func lengths(of format: ck_format) -> [Int] {
    format == CK_MXFP4 ? lengths.map { $0 + $0 % 2 } : lengths
  }

  /// Rows `[…, columns]` of floats, `xStride` apart, the last of which ends where the guard page begins.
  private struct Case: PanelProduct {
    let weights: MatmulWeights
    let x: GuardedMemory
    let xStride: Int

    init(_ weights: MatmulWeights, _ x: [Float], xStride: Int? = nil) {
      (self.weights, self.x, self.xStride) = (weights, GuardedMemory(x), xStride ?? weights.columns)
    }

    func product(
      _ isa: ck_isa, firstRow: Int, m: Int, firstPanel: Int, n: Int, bias: [Float]?, yStride: Int, canary: Float
    ) -> [Float] {
      withExtendedLifetime(x) {
        weights.multiply(
          isa, x: x.floats + firstRow * xStride, xStride: xStride, m: m, n: n, firstPanel: firstPanel, bias: bias,
          yStride: yStride, canary: canary)
      }
    }
  }

  @Test(arguments: ck_format.all)
  func everyInstructionSetGivesTheReferencesBitsForAnyRowsAndOutputs(format: ck_format) {
    for k in Self.lengths(of: format) {
      let weights = MatmulWeights(format, rows: 100, columns: k, seed: UInt64(k))
      var generator = SeededGenerator(1000 + UInt64(k))
      let x = generator.floats(63 * (k + 3) + k)
      let bias = k % 2 == 0 ? generator.floats(100) : nil
      Case(weights, x, xStride: k + 3).expectTheReferencesBits(
        rows: 64, rowCounts: Self.rowCounts, outputCounts: Self.outputCounts, bias: bias, "k \(k)")
    }
  }

  @Test(arguments: ck_format.all)
  func theBitsOfAnOutputDoNotDependOnWhichCallersComputeIt(format: ck_format) {
    let weights = MatmulWeights(format, rows: 150, columns: 320, seed: 5)
    var generator = SeededGenerator(6)
    Case(weights, generator.floats(20 * 320)).expectTheSameBits(fromPanels: 0..<weights.panelCount)
  }

  /// Any exponent a weight, a scale and an activation may have: overflow, subnormals, infinities.
  @Test(arguments: ck_format.all)
  func extremeValuesGiveTheReferencesBitsOrNaN(format: ck_format) {
    for seed in 1...3 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed)
      let weights = MatmulWeights(format, rows: 40, columns: 290, seed: seed) { elements, scales in
        for i in elements.indices where generator.next() % 3 == 0 {
          elements[i] = UInt8(truncatingIfNeeded: generator.next())
        }
        for i in scales.indices where generator.next() % 3 == 0 {
          let bits = UInt32(truncatingIfNeeded: generator.next())
          scales[i] = format == CK_MXFP4 ? Float(bits & 255) : Float(bitPattern: bits)
        }
      }
      let x = (0..<20 * 290).map { i -> Float in
        i % 7 == 0 ? Float(bitPattern: UInt32(truncatingIfNeeded: generator.next())) : Float(i % 5) * 0x1p-120
      }
      Case(weights, x).expectTheReferencesBitsOrNaN(rowCounts: [1, 5, 20], seed: seed)
    }
  }

  @Test func aNaNWeightReachesItsOutputAndNoOther() {
    for at in [0, 100, 255, 256, 299] {
      let weights = MatmulWeights(CK_F8E4M3, rows: 33, columns: 300, seed: 9) { elements, _ in
        elements[20 * 300 + at] = 0xFF
      }
      var generator = SeededGenerator(10)
      let x = generator.floats(13 * 300)
      for isa in ck_isa.supported {
        for m in [1, 4, 13] {
          let y = weights.multiply(isa, x: x, xStride: 300, m: m, n: 33, yStride: 33)
          #expect(y.indices.allSatisfy { y[$0].isNaN == ($0 % 33 == 20) }, "isa \(isa.rawValue), m \(m), k \(at)")
        }
      }
    }
  }

  @Test func nothingIsWrittenForNoRowsOrNoOutputs() {
    let weights = MatmulWeights(CK_BF16, rows: 16, columns: 32, seed: 1)
    Case(weights, [Float](repeating: 1, count: 32)).expectNothingForNoRowsOrNoOutputs()
  }

  @Test func readProbesAgreeOnTheChecksum() {
    var generator = SeededGenerator(3)
    let words = (0..<128 * 5).map { _ in generator.next() }
    let sum = words.reduce(0, &+)
    for isa in ck_isa.supported {
      #expect(ck_probe_read(isa, words, words.count * 8) == sum)
      #expect(ck_probe_fma(isa, 3) > 0)
    }
  }
}
