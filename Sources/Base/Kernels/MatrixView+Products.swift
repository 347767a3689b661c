import Tensors

extension RowBuffer {
  /// The rows of `view`, whose rounded form is here.
  package func rows(of view: MatrixView<Float>) -> Rows {
    assert(format == .float32 || view.columns == columns, "rows of another width")
    return rows(of: view.start, stride: view.stride)
  }
}

extension PackedMatrix {
  /// y[i, worker's rows] = x[i, :] · Wᵀ + bias for all rows of `y`, `[rows of x, rows of the matrix]`, taken in this
  /// matrix's row format.
  package func multiply(_ compute: Compute, worker: Int, _ x: Rows, into y: MatrixView<Float>) {
    assert(y.columns == rows, "outputs of another width")
    multiply(compute, worker: worker, x: x, count: y.rowCount, y: y.start, yStride: y.stride)
  }
}
