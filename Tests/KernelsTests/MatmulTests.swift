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

  /// Of `m` rows of `n` outputs, each followed by five sevens that nobody may touch, the first that differs from the
  /// reference's, which are 100 outputs each; nil for none.
  static func firstWrongRow(_ y: [Float], m: Int, n: Int, _ reference: ArraySlice<Float>) -> Int? {
    (0..<m).first { row in
      let written = y[row * (n + 5)..<row * (n + 5) + n]
      let canaries = y[row * (n + 5) + n..<(row + 1) * (n + 5)]
      let start = reference.startIndex + row * 100
      return !sameBits(written, reference[start..<(start + n)]) || canaries.contains { $0 != 7 }
    }
  }

  @Test(arguments: ck_format.all)
  func everyInstructionSetGivesTheReferencesBitsForAnyRowsAndOutputs(format: ck_format) {
    for k in Self.lengths(of: format) {
      let weights = MatmulWeights(format, rows: 100, columns: k, seed: UInt64(k))
      var generator = SeededGenerator(1000 + UInt64(k))
      let xStride = k + 3
      // The last row ends where the guard page begins.
      let x = GuardedMemory(generator.floats(63 * xStride + k))
      let bias = k % 2 == 0 ? generator.floats(100) : nil
      let reference = weights.multiply(
        CK_ISA_REFERENCE, x: x.floats, xStride: xStride, m: 64, n: 100, bias: bias, yStride: 100)
      for isa in ck_isa.vectors {
        for m in Self.rowCounts {
          for n in Self.outputCounts {
            // The last rows, so that reading past x would be seen.
            let first = 64 - m
            let y = weights.multiply(
              isa, x: x.floats + first * xStride, xStride: xStride, m: m, n: n, bias: bias, yStride: n + 5, canary: 7)
            let wrong = Self.firstWrongRow(y, m: m, n: n, reference[(first * 100)...])
            #expect(wrong == nil, "isa \(isa.rawValue), k \(k), m \(m), n \(n): row \(wrong ?? -1)")
          }
        }
      }
    }
  }

  /// Ten panels, since formats that are read a line at a time meet one row eight panels at once.
  @Test(arguments: ck_format.all)
  func theBitsOfAnOutputDoNotDependOnWhichCallersComputeIt(format: ck_format) {
    let weights = MatmulWeights(format, rows: 150, columns: 320, seed: 5)
    var generator = SeededGenerator(6)
    let x = generator.floats(20 * 320)
    for m in [1, 3, 20] {
      let reference = weights.multiply(CK_ISA_REFERENCE, x: x, xStride: 320, m: m, n: 150, yStride: 150)
      for isa in ck_isa.supported {
        for split in 0..<weights.panelCount {
          let n = 150 - split * 16
          let part = weights.multiply(isa, x: x, xStride: 320, m: m, n: n, firstPanel: split, yStride: n)
          for row in 0..<m {
            let expected = reference[row * 150 + split * 16..<(row + 1) * 150]
            #expect(
              sameBits(part[row * n..<(row + 1) * n], expected), "isa \(isa.rawValue), \(m) rows, from panel \(split)")
          }
        }
      }
    }
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
      for m in [1, 5, 20] {
        let reference = weights.multiply(CK_ISA_REFERENCE, x: x, xStride: 290, m: m, n: 40, yStride: 40)
        for isa in ck_isa.vectors {
          let y = weights.multiply(isa, x: x, xStride: 290, m: m, n: 40, yStride: 40)
          let wrong = y.indices.first {
            y[$0].bitPattern != reference[$0].bitPattern && !(y[$0].isNaN && reference[$0].isNaN)
          }
          #expect(wrong == nil, "isa \(isa.rawValue), m \(m)")
        }
      }
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
    let x = [Float](repeating: 1, count: 32)
    for isa in ck_isa.supported {
      #expect(weights.multiply(isa, x: x, xStride: 32, m: 1, n: 0, yStride: 16, canary: 7).allSatisfy { $0 == 7 })
      #expect(weights.multiply(isa, x: x, xStride: 32, m: 0, n: 16, yStride: 16).isEmpty)
    }
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
