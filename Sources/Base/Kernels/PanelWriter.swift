import CKernels

/// Writes row-major or column-major elements, as stored in a checkpoint, into one panel of a `PackedMatrix`.
package struct PanelWriter {
  package let format: WeightFormat
  package let columns: Int
  package let panel: UnsafeMutableRawPointer

  /// `panel` must have `format.panelByteCount(columns:)` bytes.
  package init(format: WeightFormat, columns: Int, panel: UnsafeMutableRawPointer) {
    (self.format, self.columns, self.panel) = (format, columns, panel)
  }

  /// Packs all columns of `rowCount` rows, sixteen at most, `rowStride` bytes apart.
  package func write(rows: UnsafeRawPointer, rowStride: Int, rowCount: Int) {
    ck_pack_rows(format.code, rows, rowStride, rowCount, 0, columns, columns, panel)
  }

  /// Packs columns `firstColumn ..< firstColumn + columnCount` of `rowCount` rows, sixteen at most, from `transposed`:
  /// storage in which a column's rows are `elementStride` bytes apart and columns `columnStride` bytes.
  package func write(
    transposed: UnsafeRawPointer, columnStride: Int, elementStride: Int, rowCount: Int, firstColumn: Int,
    columnCount: Int
  ) {
    ck_pack_columns(
      format.code, transposed, columnStride, elementStride, rowCount, firstColumn, columnCount, columns, panel)
  }

  /// Sets row `lane`'s scales: those of its blocks, as the format has them, and the row's own where it has one.
  package func setScales(lane: Int, blocks: UnsafeRawPointer, row: Float = 1) {
    ck_set_scales(format.code, panel, columns, lane, blocks, row)
  }

  /// Expands the first `count` columns of a stored row, `elements`, to fp32 in out, `[count]`, with the `scales` of its
  /// blocks or without. Not for formats of levels.
  package static func expand(
    _ format: WeightFormat, _ elements: UnsafeRawPointer, scales: UnsafeRawPointer? = nil, count: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    ck_expand(format.code, elements, scales, count, out)
  }
}
