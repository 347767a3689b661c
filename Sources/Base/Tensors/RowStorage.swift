/// Memory for some rows of numbers, which grows with the number of rows asked for.
package final class RowStorage<Element: BitwiseCopyable> {
  package let columns: Int
  // One thread makes room; others read afterwards.
  @exclusivity(unchecked) @usableFromInline var memory = AlignedBuffer<Element>(count: 1)
  /// That of the memory: who asked it each time would count a reference to it, for which workers wait for each other.
  @exclusivity(unchecked) @usableFromInline var start: UnsafeMutablePointer<Element>

  /// No rows at first.
  package init(columns: Int) {
    self.columns = columns
    start = memory.pointer
  }

  /// Makes room for `rows` rows. Where there was less, they are zero, and room is made for half as many more.
  package func reserve(rows: Int) {
    guard memory.count < rows * columns else { return }
    memory = AlignedBuffer(count: (rows + rows / 2) * columns)
    start = memory.pointer
  }

  /// The first `rows` of the rows reserved.
  @inlinable package func view(rows: Int) -> MatrixView<Element> {
    assert(rows * columns <= memory.count, "more rows than were reserved")
    return MatrixView(start, rows: rows, columns: columns)
  }
  /// The same: a stage names its memory and the rows it has, as in `scratch.query(rows)`.
  @inlinable package func callAsFunction(_ rows: Int) -> MatrixView<Element> { view(rows: rows) }
}
