import Tensors

/// Rows as they were before a stage changed them in place, of one stage's memory.
final class KeptRows {
  private let source: RowStorage<Float>
  private let copies: RowStorage<Float>

  init(of source: RowStorage<Float>) { (self.source, copies) = (source, RowStorage(columns: source.columns)) }

  func reserve(rows: Int) { copies.reserve(rows: rows) }

  /// Keeps row `row` as it is now.
  func keep(row: Int) { copies(row + 1)[row].update(from: source(row + 1)[row], count: copies.columns) }

  /// `[rows, columns of the memory]`
  func callAsFunction(_ rows: Int) -> MatrixView<Float> { copies(rows) }
}
