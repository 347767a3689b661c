import CKernels
import Foundation
import TestSupport

/// Random rows of one of GGUF's block formats, as they are stored, and their panels.
struct StoredBlocks {
  let format: ck_format
  let rows: Int
  let columns: Int
  let rowByteCount: Int
  let elements: [UInt8]
  let panels: GuardedMemory

  static let held: [ck_format] = [
    CK_Q4_0, CK_Q4_1, CK_Q5_0, CK_Q5_1, CK_Q8_0, CK_Q2_K, CK_Q3_K, CK_Q4_K, CK_Q5_K, CK_Q6_K, CK_IQ4_NL, CK_IQ4_XS,
    CK_MXFP4_0, CK_IQ1_S, CK_IQ1_M, CK_IQ2_XXS, CK_IQ2_XS, CK_IQ2_S, CK_IQ3_XXS, CK_IQ3_S, CK_TQ1_0, CK_TQ2_0,
    CK_INT4, CK_INT4_ZEROS, CK_INT4_HALF_ZEROS,
  ]

  init(_ format: ck_format, rows: Int, columns: Int, seed: UInt64) {
    var generator = SeededGenerator(seed)
    self.format = format
    self.rows = rows
    self.columns = columns
    rowByteCount = ck_stored_bytes(format, columns)
    let blocks = columns / ck_block_columns(format)
    elements = (0..<rows * blocks).flatMap { _ in Self.block(format, &generator) }
    panels = GuardedMemory(byteCount: ck_panel_bytes(format, columns) * ((rows + 15) / 16))
    pack()
  }

  /// Random bytes, drawn again until no value is infinite, NaN or far from one.
  static func block(_ format: ck_format, _ generator: inout SeededGenerator) -> [UInt8] {
    let columns = ck_block_columns(format)
    var values = [Float](repeating: 0, count: columns)
    while true {
      let bytes = (0..<ck_stored_bytes(format, columns)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      ck_expand(format, bytes, nil, columns, &values)
      guard ck_scales_are_finite(format, bytes, columns), let largest = values.map(abs).max() else { continue }
      if largest > 0x1p-10, largest < 0x1p+10 { return bytes }
    }
  }

  private func pack() {
    let panelBytes = ck_panel_bytes(format, columns)
    memset(panels.start, 0xAB, panelBytes * ((rows + 15) / 16))
    elements.withUnsafeBytes { elements in
      for first in stride(from: 0, to: rows, by: 16) {
        ck_pack_rows(
          format, elements.baseAddress! + first * rowByteCount, rowByteCount, min(16, rows - first), 0, columns,
          columns,
          panels.start + first / 16 * panelBytes)
      }
    }
  }

  /// A stored row's values.
  func expanded(row: Int) -> [Float] {
    var values = [Float](repeating: 0, count: columns)
    elements.withUnsafeBytes { ck_expand(format, $0.baseAddress! + row * rowByteCount, nil, columns, &values) }
    return values
  }

  /// The same from the panel it is in.
  func held(row: Int) -> [Float] {
    var values = [Float](repeating: 0, count: columns)
    ck_expand_panel_row(format, panels.start + row / 16 * ck_panel_bytes(format, columns), columns, row % 16, &values)
    return values
  }
}
