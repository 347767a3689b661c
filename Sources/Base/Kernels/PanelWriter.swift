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
    transposed: UnsafeRawPointer, columnStride: Int, elementStride: Int, rowCount: Int, firstColumn: Int,
    columnCount: Int
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

  /// Sets row `lane`'s scales of Q8 or Q4: a byte for each 64 columns, and one for the row.
  package func setScales(lane: Int, blocks: UnsafePointer<UInt8>, row: Float) {
    ck_set_scales_q(format.code, panel, columns, lane, blocks, row)
  }

  /// Expands `count` stored elements to fp32, without scales.
  package static func expand(
    _ format: WeightFormat, _ elements: UnsafeRawPointer, count: Int, into out: UnsafeMutablePointer<Float>
  ) {
    ck_expand(format.code, elements, count, out)
  }

  /// Expands a stored MXFP4 row of `columns` columns with its exponents, one for each 32.
  package static func expandMXFP4(
    _ pairs: UnsafeRawPointer, exponents: UnsafePointer<UInt8>, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    ck_expand_mxfp4(pairs.assumingMemoryBound(to: UInt8.self), exponents, columns, out)
  }

  /// Expands a stored FP8 row of `columns` columns with its scales, one for each 128.
  package static func expandFloat8(
    _ bytes: UnsafeRawPointer, scales: UnsafePointer<Float>, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    ck_expand_f8(bytes.assumingMemoryBound(to: UInt8.self), scales, columns, out)
  }
}
