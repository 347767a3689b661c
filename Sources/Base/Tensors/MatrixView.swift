/// Numbers in rows, in memory that somebody else owns: `[rowCount, columns]`, row `i` from `start + i · stride` on.
///
/// Rows and ranges are checked in debug builds.
package struct MatrixView<Element: BitwiseCopyable> {
  package let start: UnsafeMutablePointer<Element>
  package let rowCount: Int
  package let columns: Int
  /// Elements from one row's start to the next one's.
  package let stride: Int

  /// Rows of `columns` elements each, `stride` elements from one row to the next.
  @inlinable package init(_ start: UnsafeMutablePointer<Element>, rows: Int, columns: Int, stride: Int) {
    assert(rows >= 0 && columns >= 0 && (stride >= columns || rows <= 1), "rows that overlap")
    self.start = start
    rowCount = rows
    self.columns = columns
    self.stride = stride
  }

  /// Rows without gaps between them.
  @inlinable package init(_ start: UnsafeMutablePointer<Element>, rows: Int, columns: Int) {
    self.init(start, rows: rows, columns: columns, stride: columns)
  }

  /// The first element of a row.
  @inlinable package subscript(row: Int) -> UnsafeMutablePointer<Element> {
    assert(row >= 0 && row < rowCount, "no such row")
    return start + row * stride
  }

  @inlinable package func rows(_ range: Range<Int>) -> MatrixView {
    assert(range.lowerBound >= 0 && range.upperBound <= rowCount, "no such rows")
    return MatrixView(start + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  @inlinable package func columns(_ range: Range<Int>) -> MatrixView {
    assert(range.lowerBound >= 0 && range.upperBound <= columns, "no such columns")
    return MatrixView(start + range.lowerBound, rows: rowCount, columns: range.count, stride: stride)
  }
}
