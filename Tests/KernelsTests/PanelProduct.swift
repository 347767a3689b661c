import CKernels
import TestSupport
import Testing

/// Rows, and weights in panels, of one kind: what holds for the products of every kind.
protocol PanelProduct {
  /// y[m, n] of rows [firstRow, + m) and outputs [firstPanel * 16, + n), rows of y `yStride` apart in memory that held
  /// `canary` everywhere.
  func product(
    _ isa: ck_isa, firstRow: Int, m: Int, firstPanel: Int, n: Int, bias: [Float]?, yStride: Int, canary: Float
  ) -> [Float]
}

extension PanelProduct {
  /// Rows of y lie one after another unless `yStride` says otherwise.
  func multiply(
    _ isa: ck_isa, firstRow: Int = 0, m: Int, firstPanel: Int = 0, n: Int, bias: [Float]? = nil, yStride: Int? = nil,
    canary: Float = 0
  ) -> [Float] {
    product(
      isa, firstRow: firstRow, m: m, firstPanel: firstPanel, n: n, bias: bias, yStride: yStride ?? n, canary: canary)
  }

  /// On every instruction set, for any numbers of rows, the last of `rows`, so that reading past them would be seen,
  /// and of outputs, the first of 100, each row followed by five sevens that nobody may touch.
  func expectTheReferencesBits(
    rows: Int, rowCounts: [Int], outputCounts: [Int], bias: [Float]? = nil, _ what: String
  ) {
    let reference = multiply(CK_ISA_REFERENCE, m: rows, n: 100, bias: bias)
    for isa in ck_isa.vectors {
      for m in rowCounts {
        for n in outputCounts {
          let first = rows - m
          let y = multiply(isa, firstRow: first, m: m, n: n, bias: bias, yStride: n + 5, canary: 7)
          let wrong = (0..<m).first { row in
            let start = (first + row) * 100
            let written = y[row * (n + 5)..<row * (n + 5) + n]
            let canaries = y[row * (n + 5) + n..<(row + 1) * (n + 5)]
            return !sameBits(written, reference[start..<(start + n)]) || canaries.contains { $0 != 7 }
          }
          #expect(wrong == nil, "\(what), isa \(isa.rawValue), m \(m), n \(n): row \(wrong ?? -1)")
        }
      }
    }
  }

  /// An output's bits do not depend on who computes it: of 150 outputs, those from each of `panels` on. Ten panels,
  /// since formats that are read a line at a time meet one row eight panels at once.
  func expectTheSameBits(fromPanels panels: some Collection<Int>) {
    for m in [1, 3, 20] {
      let reference = multiply(CK_ISA_REFERENCE, m: m, n: 150)
      for isa in ck_isa.supported {
        for split in panels {
          let n = 150 - split * 16
          let part = multiply(isa, m: m, firstPanel: split, n: n)
          for row in 0..<m {
            let expected = reference[row * 150 + split * 16..<(row + 1) * 150]
            #expect(
              sameBits(part[row * n..<(row + 1) * n], expected), "isa \(isa.rawValue), \(m) rows, from panel \(split)")
          }
        }
      }
    }
  }

  /// Of 40 outputs, whatever the numbers are.
  func expectTheReferencesBitsOrNaN(rowCounts: [Int], seed: UInt64) {
    for m in rowCounts {
      let reference = multiply(CK_ISA_REFERENCE, m: m, n: 40)
      for isa in ck_isa.vectors {
        let y = multiply(isa, m: m, n: 40)
        #expect(y.hasSameBits(as: reference), "isa \(isa.rawValue), m \(m), seed \(seed)")
      }
    }
  }

  /// Of at least one row and sixteen outputs.
  func expectNothingForNoRowsOrNoOutputs() {
    for isa in ck_isa.supported {
      #expect(multiply(isa, m: 1, n: 0, yStride: 16, canary: 7).allSatisfy { $0 == 7 })
      #expect(multiply(isa, m: 0, n: 16).isEmpty)
    }
  }
}
