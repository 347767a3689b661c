import Tensors

/// The Newton–Schulz iteration: brings all singular values of a matrix near 1, by products alone.
///
/// X₀ = M / ‖M‖;  X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, computed as a X + (b A + c A²) X with A = X Xᵀ over the shorter
/// side. The norm is Frobenius', its squares added as `SquareSum` does.
package struct NewtonSchulz: Sendable, Equatable {
  package struct Coefficients: Sendable, Equatable {
    package var a: Float
    package var b: Float
    package var c: Float
  }

  /// Those of each step.
  package var steps: [Coefficients]

  package init(_ steps: [Coefficients]) { self.steps = steps }

  /// Eight steps that drive singular values fast towards 1, and two that hold them there (arXiv 2606.19348, section
  /// 2.4).
  package static let deepSeekV4 = NewtonSchulz(
    Array(repeating: Coefficients(a: 3.4445, b: -4.7750, c: 2.0315), count: 8)
      + Array(repeating: Coefficients(a: 2, b: -1.5, c: 0.5), count: 2))
  /// Muon's own five (Jordan and others, 2024), which leave singular values between 0.7 and 1.2.
  package static let five = NewtonSchulz(Array(repeating: Coefficients(a: 3.4445, b: -4.7750, c: 2.0315), count: 5))

  /// The nearly orthogonal matrix of the same shape; a matrix of zeros stays one. The result lies in `scratch` or in
  /// `matrix`, whose elements are no more what they were.
  package func orthogonalize(
    _ matrix: MatrixView<Float>, products: some MatrixProducts, scratch: MuonScratch
  ) -> MatrixView<Float> {
    let (rows, columns) = (matrix.rowCount, matrix.columns)
    let norm = SquareSum.total(matrix).squareRoot()
    guard norm > 0 else { return matrix }
    let isTall = rows > columns
    var (x, next) = (
      scratch.work(0, rows: min(rows, columns), columns: max(rows, columns)),
      scratch.work(1, rows: min(rows, columns), columns: max(rows, columns))
    )
    let inverse = Float(1 / norm)
    for i in 0..<rows {
      let source = matrix[i]
      for j in 0..<columns { source[j] *= inverse }
      if !isTall { x[i].update(from: source, count: columns) }
    }
    if isTall { matrix.transpose(into: x) }
    let (gram, mixed) = (scratch.square(0, size: x.rowCount), scratch.square(1, size: x.rowCount))
    for step in steps {
      products.square(x, into: gram)
      // A is symmetric: A · Aᵀ is its square.
      products.square(gram, into: mixed)
      for i in 0..<gram.rowCount {
        let (linear, square) = (gram[i], mixed[i])
        for j in 0..<gram.columns { square[j] = step.b * linear[j] + step.c * square[j] }
      }
      products.multiply(mixed, x, into: next)
      for i in 0..<x.rowCount {
        let (old, new) = (x[i], next[i])
        for j in 0..<x.columns { new[j] = step.a * old[j] + new[j] }
      }
      swap(&x, &next)
    }
    guard isTall else { return x }
    x.transpose(into: matrix)
    return matrix
  }
}
