import CKernels
import Foundation
import TestSupport
import Testing

/// Products of bf16 rows, and of int8 rows with Q8 and Q4 weights.
struct RoundedMatmulTests {
  static let outputCounts = [1, 15, 16, 17, 33, 48, 100]
  /// The last is more than a run of blocks.
  static let lengths = [1, 2, 63, 64, 65, 128, 192, 300, 513, 4100]
  static let rowCounts = [1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 33]
  static let formats = [CK_BF16, CK_Q8, CK_Q4]

  /// Panels of random levels or bf16 values, and rows.
  struct Case: PanelProduct {
    let format: ck_format
    let k: Int
    let panels: GuardedMemory
    let panelBytes: Int
    let rows: GuardedMemory
    let rowStride: Int
    let rowCount: Int
    var rowFormat: ck_row_format { format == CK_BF16 ? CK_ROWS_BF16 : CK_ROWS_INT8 }

    init(_ format: ck_format, outputs: Int, k: Int, rows rowCount: Int, wild: Bool = false, seed: UInt64) {
      var generator = SeededGenerator(seed)
      self.format = format
      self.k = k
      self.rowCount = rowCount
      panelBytes = ck_panel_bytes(format, k)
      let panelCount = (outputs + 15) / 16
      panels = GuardedMemory(byteCount: panelBytes * panelCount)
      let words = panels.start.assumingMemoryBound(to: UInt8.self)
      for i in 0..<panelBytes * panelCount { words[i] = UInt8(truncatingIfNeeded: generator.next()) }
      if format == CK_BF16 {
        let values = RoundedRowsTests.values(panelBytes / 2 * panelCount, wild: wild, &generator)
        for (i, value) in values.enumerated() {
          panels.start.storeBytes(of: UInt16(value.bitPattern >> 16), toByteOffset: 2 * i, as: UInt16.self)
        }
      } else {
        for panel in 0..<panelCount {
          for lane in 0..<16 {
            let scale = wild ? RoundedRowsTests.values(1, wild: true, &generator)[0] : generator.floats(1)[0]
            panels.start.storeBytes(of: scale, toByteOffset: (panel + 1) * panelBytes - 64 + lane * 4, as: Float.self)
          }
        }
      }
      let rowFormat = format == CK_BF16 ? CK_ROWS_BF16 : CK_ROWS_INT8
      rowStride = ck_row_bytes(rowFormat, k)
      rows = GuardedMemory(byteCount: rowStride * rowCount)
      for row in 0..<rowCount {
        let x = wild ? RoundedRowsTests.values(k, wild: true, &generator) : generator.floats(k)
        ck_round_row(CK_ISA_REFERENCE, rowFormat, x, k, 0, k, rows.start + row * rowStride)
      }
    }

    func product(
      _ isa: ck_isa, firstRow: Int, m: Int, firstPanel: Int, n: Int, bias: [Float]?, yStride: Int, canary: Float
    ) -> [Float] {
      let memory = GuardedMemory([Float](repeating: canary, count: m * yStride))
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: ck_matmul_scratch_bytes(), alignment: 64)
      defer { scratch.deallocate() }
      let (p, x) = (panels.start + firstPanel * panelBytes, rows.start + firstRow * rowStride)
      if format == CK_BF16 {
        ck_matmul_bf16(isa, p, n, k, x, rowStride, m, bias, memory.floats, yStride, scratch)
      } else {
        ck_matmul_int8(isa, format, p, n, k, x, rowStride, m, bias, memory.floats, yStride, scratch)
      }
      return withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: memory.floats, count: m * yStride)) }
    }
  }

  @Test(arguments: formats)
  func everyInstructionSetGivesTheReferencesBitsForAnyRowsAndOutputs(format: ck_format) {
    for k in Self.lengths {
      var generator = SeededGenerator(7)
      let bias = k % 2 == 0 ? generator.floats(100) : nil
      Case(format, outputs: 100, k: k, rows: 33, seed: UInt64(k)).expectTheReferencesBits(
        rows: 33, rowCounts: Self.rowCounts, outputCounts: Self.outputCounts, bias: bias, "k \(k)")
    }
  }

  @Test(arguments: formats)
  func theBitsOfAnOutputDoNotDependOnWhichCallersComputeIt(format: ck_format) {
    Case(format, outputs: 150, k: 320, rows: 20, seed: 5).expectTheSameBits(fromPanels: 0..<10)
  }

  @Test(arguments: formats)
  func extremeValuesGiveTheReferencesBitsOrNaN(format: ck_format) {
    for seed in 1...4 as ClosedRange<UInt64> {
      Case(format, outputs: 40, k: 290, rows: 13, wild: true, seed: seed)
        .expectTheReferencesBitsOrNaN(rowCounts: [1, 4, 13], seed: seed)
    }
  }

  /// The reference against sums in double precision of each side's own values.
  @Test(arguments: formats)
  func theReferenceIsTheProductOfWhatBothSidesHold(format: ck_format) {
    for k in [1, 64, 100, 520] {
      let multiplication = Case(format, outputs: 17, k: k, rows: 2, seed: 11 + UInt64(k))
      let y = multiplication.multiply(CK_ISA_REFERENCE, m: 2, n: 17)
      for row in 0..<2 {
        for j in 0..<17 {
          var weights = [Float](repeating: 0, count: k)
          ck_expand_panel_row(
            format, multiplication.panels.start + j / 16 * multiplication.panelBytes, k, j % 16, &weights)
          var sum = 0.0
          var magnitude = 0.0
          for i in 0..<k {
            let product = Double(weights[i]) * value(multiplication, row: row, column: i)
            sum += product
            magnitude += abs(product)
          }
          // k roundings of partial sums, and one each for product, expansion and scales.
          let bound = magnitude * Double(k + 4) * 0x1p-23 + 1e-30
          #expect(abs(Double(y[row * 17 + j]) - sum) <= bound, "k \(k), row \(row), output \(j)")
        }
      }
    }
  }

  private func value(_ multiplication: Case, row: Int, column: Int) -> Double {
    let bytes = multiplication.rows.start + row * multiplication.rowStride
    if multiplication.format == CK_BF16 {
      return Double(Float(bitPattern: UInt32(bytes.load(fromByteOffset: 2 * column, as: UInt16.self)) << 16))
    }
    let scales = bytes + (multiplication.k + 63) / 64 * 64
    return Double(bytes.load(fromByteOffset: column, as: Int8.self))
      * Double(scales.load(fromByteOffset: column / 64 * 4, as: Float.self))
  }

  /// x[0] * w[0] = 2^-126, and something is taken from it: what is rounded to less counts as zero.
  @Test func sumsBelowTheLeastNormalNumberAreZero() {
    for (product, expected) in [
      (0x1p-148, 0), (0x1p-149, 0), (0x1p-150, 0), (0x1.8p-151, 0), (0x1p-151, 0x1p-126), (0x1.8p-152, 0x1p-126),
      (0x1p-160, 0x1p-126),
    ] as [(Double, Float)] {
      let rows = GuardedMemory([0x1p-63, 0, Float(product * 0x1p75), 0])
      let rounded = GuardedMemory(byteCount: ck_row_bytes(CK_ROWS_BF16, 4))
      ck_round_row(CK_ISA_REFERENCE, CK_ROWS_BF16, rows.floats, 4, 0, 4, rounded.start)
      let weights = [0x1p-63, 0, -0x1p-75, 0].map { UInt16(Float($0).bitPattern >> 16) }
      let panel = GuardedMemory(byteCount: ck_panel_bytes(CK_BF16, 4))
      ck_pack_rows(CK_BF16, weights, 8, 1, 0, 4, 4, panel.start)
      for isa in ck_isa.supported {
        let y = GuardedMemory([Float(7)])
        withMatmulScratch { scratch in
          ck_matmul_bf16(
            isa, panel.start, 1, 4, rounded.start, ck_row_bytes(CK_ROWS_BF16, 4), 1, nil, y.floats, 1, scratch)
        }
        #expect(withExtendedLifetime((rows, rounded, panel)) { y.floats[0] } == expected, "\(isa), \(product)")
      }
    }
  }

  @Test(arguments: formats) func noRowsOrNoOutputsDoNothing(format: ck_format) {
    Case(format, outputs: 16, k: 64, rows: 1, seed: 1).expectNothingForNoRowsOrNoOutputs()
  }
}
