import CKernels
import Foundation
import Kernels
import Testing

struct PackTests {
  private func panelBytes(_ panel: GuardedMemory, _ format: ck_format, _ k: Int) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: panel.start, count: ck_panel_bytes(format, k)))
  }

  /// A panel that held nothing but ones before.
  private func dirtyPanel(_ format: ck_format, _ k: Int) -> GuardedMemory {
    let panel = GuardedMemory(byteCount: ck_panel_bytes(format, k))
    memset(panel.start, 0xFF, ck_panel_bytes(format, k))
    return panel
  }

  @Test(arguments: ck_format.all)
  func anExpandedRowHoldsTheRowsValues(format: ck_format) {
    for k in MatmulTests.lengths(of: format) {
      let weights = MatmulWeights(format, rows: 19, columns: k, seed: UInt64(k))
      for row in [0, 15, 18] {
        var out = [Float](repeating: 0, count: k)
        ck_expand_panel_row(format, weights.panels.start + row / 16 * weights.panelByteCount, k, row % 16, &out)
        #expect((0..<k).allSatisfy { out[$0].bitPattern == weights.value(row: row, column: $0).bitPattern })
      }
    }
  }

  @Test(arguments: ck_format.all)
  func piecesOfColumnsMakeTheSamePanelAsAllAtOnce(format: ck_format) {
    for rows in [1, 7, 16] {
      let k = 150
      let weights = MatmulWeights(format, rows: rows, columns: k, seed: 4)
      let whole = dirtyPanel(format, k)
      let pieces = dirtyPanel(format, k)
      let stride = weights.rowByteCount
      weights.elements.withUnsafeBytes { bytes in
        let start = bytes.baseAddress!
        ck_pack_rows(format, start, stride, rows, 0, k, k, whole.start)
        for (first, count) in [(0, 6), (6, 34), (40, 2), (42, 108)] {
          ck_pack_rows(format, start + format.byteCount(first), stride, rows, first, count, k, pieces.start)
        }
      }
      #expect(panelBytes(whole, format, k) == panelBytes(pieces, format, k))
    }
  }

  @Test(arguments: ck_format.all.filter { $0 != CK_MXFP4 })
  func rowsAndTheirTransposeMakeTheSamePanel(format: ck_format) {
    let width = format.byteCount(1)
    for rows in [1, 7, 16] {
      for k in [1, 17, 130] {
        let weights = MatmulWeights(format, rows: rows, columns: k, seed: 8)
        // The transpose, each element followed by a gap of `gap` elements.
        for gap in [0, 2] {
          let step = width * (1 + gap)
          var transpose = [UInt8](repeating: 0xEE, count: k * rows * step)
          for row in 0..<rows {
            for column in 0..<k {
              for byte in 0..<width {
                transpose[(column * rows + row) * step + byte] =
                  weights.elements[row * weights.rowByteCount + column * width + byte]
              }
            }
          }
          let fromRows = dirtyPanel(format, k)
          let fromColumns = dirtyPanel(format, k)
          ck_pack_rows(format, weights.elements, weights.rowByteCount, rows, 0, k, k, fromRows.start)
          ck_pack_columns(format, transpose, rows * step, step, rows, 0, k, k, fromColumns.start)
          #expect(panelBytes(fromRows, format, k) == panelBytes(fromColumns, format, k))
        }
      }
    }
  }

  @Test(arguments: ck_format.all)
  func lanesPastTheLastRowAreZero(format: ck_format) {
    let weights = MatmulWeights(format, rows: 5, columns: 66, seed: 2)
    let panel = dirtyPanel(format, 66)
    ck_pack_rows(format, weights.elements, weights.rowByteCount, 5, 0, 66, 66, panel.start)
    if !weights.scales.isEmpty {
      let ones = [Float](repeating: format == CK_F8E4M3 ? 1 : 127, count: weights.scaleBlockCount)
      for lane in 0..<16 { format.withScales(ones) { ck_set_scales(format, panel.start, 66, lane, $0, 1) } }
    }
    for lane in 5..<16 {
      var out = [Float](repeating: 1, count: 66)
      ck_expand_panel_row(format, panel.start, 66, lane, &out)
      #expect(out.allSatisfy { $0.bitPattern == 0 })
    }
  }

  @Test func panelsAreWholeLines() {
    for format in ck_format.all {
      for k in 1...300 { #expect(ck_panel_bytes(format, k) % 64 == 0) }
    }
    #expect(ck_panel_bytes(CK_F8E4M3, 129) == 2112 + 2 * 64)
    #expect(ck_panel_bytes(CK_MXFP4, 34) == 320 + 64)
  }

  @Test func panelsLeftOverGoToEveryWorkerInTurn() {
    for (rows, workers) in [(16, 3), (88 * 16, 3), (100, 4), (7 * 16, 7), (5 * 16 + 1, 4), (32, 1)] {
      let count = PackedMatrix.panelCount(rows: rows)
      var totals = Array(repeating: 0, count: workers)
      for turn in 0..<workers {
        let bounds = PackedMatrix.evenBounds(rows: rows, workerCount: workers, turn: turn)
        #expect(bounds.first == 0 && bounds.last == count && bounds == bounds.sorted())
        for worker in 0..<workers {
          let panels = bounds[worker + 1] - bounds[worker]
          #expect(panels == count / workers || panels == (count + workers - 1) / workers)
          totals[worker] += panels
        }
      }
      #expect(totals.allSatisfy { $0 == count }, "\(rows) rows over \(workers) workers: \(totals)")
    }
  }
}
