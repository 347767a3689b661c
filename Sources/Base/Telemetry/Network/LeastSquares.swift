/// Least squares of relative errors with coefficients that cannot be negative, or less than is said: times are sums of
/// costs.
package struct LeastSquares: Sendable {
  package let coefficients: [Double]
  /// Root mean square, and the greatest, of (fitted − measured) / measured.
  package let rms: Double
  package let worst: Double

  /// Minimises Σ ((Σ_j c_j · features[i][j] − times[i]) / times[i])² over c ≥ least, exactly: the minimum has some
  /// coefficients at their least and solves the normal equations of the others, so every choice of those is tried. At
  /// most four features. Each relative error counts `weights[i]` times, once without them. `least`: of each
  /// coefficient, 0 or more; nil for 0.
  package init(features: [[Double]], times: [Double], weights: [Double]? = nil, least: [Double]? = nil) {
    let width = features.first?.count ?? 0
    let least = least ?? Array(repeating: 0, count: width)
    let points = zip(zip(features, times), weights ?? times.map { _ in 1 }).filter {
      $0.0.1 > 0 && $0.0.0.count == width
    }
    // What is sought is what exceeds the least; a last column for what is to come out.
    let rows = points.map { point, weight in
      let known = zip(point.0, least).reduce(0) { $0 + $1.0 * $1.1 }
      return point.0.map { $0 / point.1 * weight } + [(1 - known / point.1) * weight]
    }
    var best: (error: Double, coefficients: [Double])?
    for chosen in 0..<(1 << min(width, 4)) {
      let columns = (0..<width).filter { chosen >> $0 & 1 == 1 }
      guard let solution = Self.solve(rows, columns), solution.allSatisfy({ $0 >= 0 }) else { continue }
      var coefficients = Array(repeating: 0.0, count: width)
      for (column, value) in zip(columns, solution) { coefficients[column] = value }
      let error = rows.reduce(0) { $0 + Self.square(Self.residual($1, coefficients)) }
      if best.map({ error < $0.error }) ?? true { best = (error, coefficients) }
    }
    let more = best?.coefficients ?? Array(repeating: 0, count: width)
    coefficients = zip(more, least).map { $0 + $1 }
    let errors = zip(rows, points).map { row, point in point.1 > 0 ? abs(Self.residual(row, more)) / point.1 : 0 }
    rms = rows.isEmpty ? 0 : (errors.reduce(0) { $0 + Self.square($1) } / Double(rows.count)).squareRoot()
    worst = errors.max() ?? 0
  }

  private static func square(_ x: Double) -> Double { x * x }

  private static func residual(_ row: [Double], _ coefficients: [Double]) -> Double {
    zip(row, coefficients).reduce(-row[coefficients.count]) { $0 + $1.0 * $1.1 }
  }

  /// The unconstrained minimum over some columns, by elimination with pivots; nil where they depend on each other.
  private static func solve(_ rows: [[Double]], _ columns: [Int]) -> [Double]? {
    let n = columns.count
    var a = columns.map { i in columns.map { j in rows.reduce(0) { $0 + $1[i] * $1[j] } } }
    var b = columns.map { i in rows.reduce(0) { $0 + $1[i] * $1[$1.count - 1] } }
    let scales = (0..<n).map { a[$0][$0] }
    guard scales.allSatisfy({ $0 > 0 }) else { return nil }
    for i in 0..<n {
      guard let pivot = (i..<n).max(by: { abs(a[$0][i]) < abs(a[$1][i]) }), abs(a[pivot][i]) > 1e-9 * scales[i] else {
        return nil
      }
      a.swapAt(i, pivot)
      b.swapAt(i, pivot)
      for row in 0..<n where row != i {
        let factor = a[row][i] / a[i][i]
        for column in i..<n { a[row][column] -= factor * a[i][column] }
        b[row] -= factor * b[i]
      }
    }
    return (0..<n).map { b[$0] / a[$0][$0] }
  }
}
