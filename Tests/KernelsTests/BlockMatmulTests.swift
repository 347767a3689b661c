import CKernels
import Foundation
import TestSupport
import Testing

/// Products of int8 rows with weights in GGUF's blocks.
struct BlockMatmulTests {
  /// Weights, and rows rounded to int8.
  struct Case: PanelProduct {
    let weights: StoredBlocks
    let rows: GuardedMemory
    let rowStride: Int
    let values: [Float]

    init(_ format: ck_format, outputs: Int, k: Int, rows rowCount: Int, wild: Bool = false, seed: UInt64) {
      var generator = SeededGenerator(seed)
      weights = StoredBlocks(format, rows: outputs, columns: k, seed: seed &+ 1)
      rowStride = ck_row_bytes(CK_ROWS_INT8, k)
      rows = GuardedMemory(byteCount: rowStride * rowCount)
      values =
        wild ? RoundedRowsTests.values(k * rowCount, wild: true, &generator) : generator.floats(k * rowCount)
      values.withUnsafeBufferPointer { values in
        for row in 0..<rowCount {
          ck_round_row(
            CK_ISA_REFERENCE, CK_ROWS_INT8, values.baseAddress! + row * k, k, 0, k, rows.start + row * rowStride)
        }
      }
    }

    func product(
      _ isa: ck_isa, firstRow: Int, m: Int, firstPanel: Int, n: Int, bias: [Float]?, yStride: Int, canary: Float
    ) -> [Float] {
      let memory = GuardedMemory([Float](repeating: canary, count: m * yStride))
      let (format, k) = (weights.format, weights.columns)
      withMatmulScratch { scratch in
        bias.withOptionalPointer { bias in
          ck_matmul_int8(
            isa, format, weights.panels.start + firstPanel * ck_panel_bytes(format, k), n, k,
            rows.start + firstRow * rowStride, rowStride, m, bias, memory.floats, yStride, scratch)
        }
      }
      return withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: memory.floats, count: m * yStride)) }
    }
  }

  /// Lengths of rows: of one block, of fewer columns than a row's block, of many.
  private func lengths(_ format: ck_format) -> [Int] {
    ck_block_columns(format) == 256 ? [256, 512, 768, 2304] : [32, 64, 96, 320, 2080]
  }

  @Test(arguments: StoredBlocks.held)
  func everyInstructionSetGivesTheReferencesBitsForAnyRowsAndOutputs(format: ck_format) {
    for k in lengths(format) {
      var generator = SeededGenerator(7)
      let bias = k % 64 == 0 ? generator.floats(100) : nil
      Case(format, outputs: 100, k: k, rows: 33, seed: UInt64(k)).expectTheReferencesBits(
        rows: 33, rowCounts: RoundedMatmulTests.rowCounts, outputCounts: RoundedMatmulTests.outputCounts, bias: bias,
        "k \(k)")
    }
  }

  /// More columns than a run of blocks has, whose sums wait in the outputs meanwhile, and the numbers of rows from
  /// which on codes are expanded.
  @Test(arguments: StoredBlocks.held)
  func rowsLongerThanARunOfBlocksGiveTheReferencesBits(format: ck_format) {
    let multiplication = Case(format, outputs: 33, k: 4352, rows: 25, seed: 13)
    let reference = multiplication.multiply(CK_ISA_REFERENCE, m: 25, n: 33)
    for isa in ck_isa.vectors {
      for m in [1, 7, 24, 25] {
        let y = multiplication.multiply(isa, firstRow: 25 - m, m: m, n: 33)
        #expect(sameBits(y[...], reference[((25 - m) * 33)...]), "isa \(isa.rawValue), m \(m)")
      }
    }
  }

  @Test(arguments: StoredBlocks.held)
  func theBitsOfAnOutputDoNotDependOnWhichCallersComputeIt(format: ck_format) {
    Case(format, outputs: 150, k: 512, rows: 20, seed: 5).expectTheSameBits(fromPanels: [0, 1, 4, 9])
  }

  @Test(arguments: StoredBlocks.held)
  func extremeRowsGiveTheReferencesBitsOrNaN(format: ck_format) {
    for seed in 1...3 as ClosedRange<UInt64> {
      Case(format, outputs: 40, k: 256, rows: 13, wild: true, seed: seed)
        .expectTheReferencesBitsOrNaN(rowCounts: [1, 4, 13], seed: seed)
    }
  }

  /// The reference against sums in double precision of each side's own values.
  @Test(arguments: StoredBlocks.held)
  func theReferenceIsTheProductOfWhatBothSidesHold(format: ck_format) {
    for k in lengths(format) {
      let multiplication = Case(format, outputs: 17, k: k, rows: 2, seed: 11 + UInt64(k))
      let y = multiplication.multiply(CK_ISA_REFERENCE, m: 2, n: 17)
      let blocks = (k + 63) / 64
      for row in 0..<2 {
        let levels = multiplication.rows.start + row * multiplication.rowStride
        let scales = levels + blocks * 64
        for j in 0..<17 {
          let weights = multiplication.weights.expanded(row: j)
          var (sum, magnitude) = (0.0, 0.0)
          for i in 0..<k {
            let x =
              Double(levels.load(fromByteOffset: i, as: Int8.self))
              * Double(scales.load(fromByteOffset: i / 64 * 4, as: Float.self))
            sum += Double(weights[i]) * x
            // A level and a minimum may cancel each other: what is rounded is larger than the weight.
            magnitude += (abs(Double(weights[i])) + 64) * abs(x)
          }
          let bound = magnitude * Double(k / 16 + 8) * 0x1p-23
          #expect(abs(Double(y[row * 17 + j]) - sum) <= bound, "k \(k), row \(row), output \(j)")
        }
      }
    }
  }
}
