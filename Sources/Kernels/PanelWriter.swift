import CKernels

/// Writes row-major or column-major elements, as stored in a checkpoint, into one panel of a `PackedMatrix`.
package struct PanelWriter {
  package let format: WeightFormat
  package let columns: Int
  package let panel: UnsafeMutableRawPointer

  /// `panel` must have `format.panelByteCount(columns:)` bytes.
  package init(format: WeightFormat, columns: Int, panel: UnsafeMutableRawPointer) {
    self.format = format
    self.columns = columns
    self.panel = panel
  }

  /// Packs all columns of up to sixteen rows, `rowStride` bytes apart.
  package func write(rows: UnsafeRawPointer, rowStride: Int, rowCount: Int) {
    ck_pack_rows(format.code, rows, rowStride, rowCount, 0, columns, columns, panel)
  }

  /// Packs columns `firstColumn ..< firstColumn + columnCount` of up to sixteen rows from storage in which a column's
  /// rows are `elementStride` bytes apart and columns `columnStride` bytes.
  package func write(
    transposed: UnsafeRawPointer, columnStride: Int, elementStride: Int, rowCount: Int, firstColumn: Int, columnCount: Int
  ) {
    ck_pack_columns(
      format.code, transposed, columnStride, elementStride, rowCount, firstColumn, columnCount, columns, panel)
  }

  /// Sets the FP8 scale of 128-column block `block` of row `lane`.
  package func setScale(block: Int, lane: Int, _ scale: Float) { ck_set_scale_f8(panel, columns, block, lane, scale) }

  /// Sets the MXFP4 scale (biased exponent) of 32-column block `block` of row `lane`.
  package func setScale(block: Int, lane: Int, exponent: UInt8) {
    ck_set_scale_mxfp4(panel, columns, block, lane, exponent)
  }

  /// Expands `count` stored elements to fp32, without scales.
  package static func expand(_ format: WeightFormat, _ elements: UnsafeRawPointer, count: Int, into out: UnsafeMutablePointer<Float>) {
    ck_expand(format.code, elements, count, out)
  }
}
