import Tensors

/// fp32 numbers as products take them, in memory that somebody else owns: `[rows, columns]`, element (i, j) at
/// `start[i * rowStride + j * columnStride]`.
package struct StridedMatrix {
  package let start: UnsafePointer<Float>
  package let rows: Int
  package let columns: Int
  /// Floats from an element to the one below; 0 repeats a row.
  package let rowStride: Int
  /// Floats from an element to the one on its right.
  package let columnStride: Int

  /// Elements `[rows, columns]` from `start` on; `rowStride` and `columnStride` count floats and are not negative.
  package init(_ start: UnsafePointer<Float>, rows: Int, columns: Int, rowStride: Int, columnStride: Int = 1) {
    assert(rows >= 0 && columns >= 0 && rowStride >= 0 && columnStride >= 0, "no such matrix")
    (self.start, self.rows, self.columns) = (start, rows, columns)
    (self.rowStride, self.columnStride) = (rowStride, columnStride)
  }

  /// The numbers of `view`, `[rows, columns]`.
  package init(_ view: MatrixView<Float>) {
    self.init(view.start, rows: view.rowCount, columns: view.columns, rowStride: view.stride)
  }

  /// The same numbers, rows and columns exchanged.
  package var transposed: StridedMatrix {
    StridedMatrix(start, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
  }

  /// Rows `range`, `[range.count, columns]`.
  package func rows(_ range: Range<Int>) -> StridedMatrix {
    assert(range.lowerBound >= 0 && range.upperBound <= rows, "no such rows")
    return StridedMatrix(
      start + range.lowerBound * rowStride, rows: range.count, columns: columns, rowStride: rowStride,
      columnStride: columnStride)
  }

  /// Columns `range`, `[rows, range.count]`.
  package func columns(_ range: Range<Int>) -> StridedMatrix { transposed.rows(range).transposed }
}
