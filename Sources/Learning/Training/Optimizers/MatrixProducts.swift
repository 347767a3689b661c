import Tensors

/// Products of matrices that are held in fp32, from whoever computes them fast. The order of each sum must not depend
/// on how work is divided.
package protocol MatrixProducts {
  /// `result` `[a.rowCount, b.rowCount]` ← a · bᵀ, over `a.columns` = `b.columns`. `result` overlaps neither.
  func multiply(_ a: MatrixView<Float>, transposed b: MatrixView<Float>, into result: MatrixView<Float>)
  /// `result` `[a.rowCount, b.columns]` ← a · b, over `a.columns` = `b.rowCount`.
  func multiply(_ a: MatrixView<Float>, _ b: MatrixView<Float>, into result: MatrixView<Float>)
  /// `result` `[a.rowCount, a.rowCount]` ← a · aᵀ, bit for bit what `multiply(a, transposed: a)` gives.
  func square(_ a: MatrixView<Float>, into result: MatrixView<Float>)
}

extension MatrixProducts {
  package func square(_ a: MatrixView<Float>, into result: MatrixView<Float>) {
    multiply(a, transposed: a, into: result)
  }
}

/// The plain one: each sum is a chain of fp32 additions in ascending order. What others are compared with.
package struct PlainProducts: MatrixProducts {
  package init() {}

  package func multiply(_ a: MatrixView<Float>, transposed b: MatrixView<Float>, into result: MatrixView<Float>) {
    for i in 0..<a.rowCount {
      let (row, target) = (a[i], result[i])
      for j in 0..<b.rowCount {
        let column = b[j]
        var sum: Float = 0
        for k in 0..<a.columns { sum += row[k] * column[k] }
        target[j] = sum
      }
    }
  }

  package func multiply(_ a: MatrixView<Float>, _ b: MatrixView<Float>, into result: MatrixView<Float>) {
    for i in 0..<a.rowCount {
      let (row, target) = (a[i], result[i])
      for j in 0..<b.columns { target[j] = 0 }
      for k in 0..<a.columns {
        let (factor, other) = (row[k], b[k])
        for j in 0..<b.columns { target[j] += factor * other[j] }
      }
    }
  }
}
