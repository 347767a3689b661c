import Tensors

extension MatrixView<Float> {
  /// `result` `[columns, rowCount]` ← the transpose, sixteen rows at a time, whose lines stay in the cache. Rows of
  /// `result` after those are left alone; it does not overlap these elements.
  func transpose(into result: MatrixView<Float>) {
    // Pointers and strides taken out of the loops: a matrix of experts has rows of a hundred numbers.
    let (source, step, target, targetStep) = (start, stride, result.start, result.stride)
    for first in Swift.stride(from: 0, to: rowCount, by: 16) {
      let rows = first..<min(first + 16, rowCount)
      for column in 0..<columns {
        let to = target + column * targetStep
        for row in rows { to[row] = source[row * step + column] }
      }
    }
  }
}
