import CKernels
import Tensors

/// Up to sixteen fp32 rows on their way into a panel, each rounded once to the panel's format.
package final class PanelStaging {
  package let format: WeightFormat
  private let rounding: WeightFormat.Rounding
  package let columns: Int
  /// Bytes from one row's elements to the next's.
  private let stride: Int
  private let blockCount: Int
  private let elements: AlignedBuffer<UInt8>
  private let blockScales: AlignedBuffer<UInt8>
  private let rowScales = AlignedBuffer<Float>(count: PackedMatrix.panelRows)

  /// For up to sixteen rows `[columns]`. `format` must be one that fp32 rows are rounded to.
  package init(format: WeightFormat, columns: Int) {
    guard let rounding = format.rounding else { preconditionFailure("nothing is rounded to \(format)") }
    (self.rounding, self.format, self.columns) = (rounding, format, columns)
    if case .rows(let rows) = rounding {
      stride = rows.rowByteCount(columns: columns)
    } else {
      stride = format.storedRowByteCount(columns)
    }
    if case .levels = rounding { blockCount = format.blockCount(columns: columns) } else { blockCount = 0 }
    elements = AlignedBuffer(count: stride * PackedMatrix.panelRows)
    blockScales = AlignedBuffer(count: blockCount * PackedMatrix.panelRows)
  }

  /// Rounds `values` `[columns]` as row `lane`; false when they are to be quantised and hold infinity or NaN.
  package func set(lane: Int, _ values: UnsafePointer<Float>) -> Bool {
    let row = elements.pointer + lane * stride
    switch rounding {
    case .none: UnsafeMutableRawPointer(row).copyMemory(from: values, byteCount: stride)
    case .rows(let rows): ck_round_row(InstructionSet.best.code, rows.code, values, columns, 0, columns, row)
    case .levels:
      rowScales.pointer[lane] = format.quantize(
        values, columns: columns, elements: row, blockScales: blockScales.pointer + lane * blockCount)
      return rowScales.pointer[lane].isFinite
    }
    return true
  }

  /// Packs the first `rowCount` rows into a whole panel.
  package func write(rowCount: Int, to panel: UnsafeMutableRawPointer) {
    let writer = PanelWriter(format: format, columns: columns, panel: panel)
    writer.write(rows: elements.pointer, rowStride: stride, rowCount: rowCount)
    guard case .levels = rounding else { return }
    for lane in 0..<rowCount {
      writer.setScales(lane: lane, blocks: blockScales.pointer + lane * blockCount, row: rowScales.pointer[lane])
    }
  }
}

extension WeightFormat {
  /// Rounds one row, `values` `[columns]`, to levels as they are stored: `elements`, of `storedRowByteCount(columns)`
  /// bytes, `blockScales` `[blockCount(columns:)]`, and the row scale returned, which is NaN when the row holds
  /// infinity or NaN.
  package func quantize(
    _ values: UnsafePointer<Float>, columns: Int, elements: UnsafeMutableRawPointer,
    blockScales: UnsafeMutablePointer<UInt8>
  ) -> Float {
    var rowScale: Float = 0
    ck_quantize_row(InstructionSet.best.code, code, values, columns, elements, blockScales, &rowScale)
    return rowScale
  }
}
