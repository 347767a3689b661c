/// Divides the columns and rows of a small square matrix by their sums in turn, columns first and last, so that both
/// come near one (Sinkhorn and Knopp, 1967). Sums run in ascending order from 0, epsilon added last.
struct SinkhornBalance {
  /// Rows, and columns.
  let count: Int
  let iterations: Int
  let epsilon: Float

  /// `matrix` `[count, count]`.
  func apply(_ matrix: UnsafeMutablePointer<Float>) {
    if count == 4 { applyToFour(matrix) } else { applyPlainly(matrix) }
  }

  /// Any size, number by number: what the other must give, bit for bit.
  func applyPlainly(_ matrix: UnsafeMutablePointer<Float>) {
    divide(matrix, step: count, next: 1)
    for _ in 1..<max(iterations, 1) {
      divide(matrix, step: 1, next: count)
      divide(matrix, step: count, next: 1)
    }
  }

  /// Divides each line of elements `step` apart by its sum; lines begin `next` apart.
  private func divide(_ matrix: UnsafeMutablePointer<Float>, step: Int, next: Int) {
    for line in 0..<count {
      let first = matrix + line * next
      var sum: Float = 0
      for i in 0..<count { sum += first[i * step] }
      sum += epsilon
      for i in 0..<count { first[i * step] /= sum }
    }
  }

  /// Four rows in four registers, all lines of a kind at once.
  private func applyToFour(_ matrix: UnsafeMutablePointer<Float>) {
    var lines = Lines(matrix)
    lines.divide(epsilon)
    for _ in 1..<max(iterations, 1) {
      lines.turn()
      lines.divide(epsilon)
      lines.turn()
      lines.divide(epsilon)
    }
    lines.write(to: matrix)
  }

  private struct Lines {
    private var a: SIMD4<Float>
    private var b: SIMD4<Float>
    private var c: SIMD4<Float>
    private var d: SIMD4<Float>

    init(_ m: UnsafePointer<Float>) {
      a = SIMD4(m[0], m[1], m[2], m[3])
      b = SIMD4(m[4], m[5], m[6], m[7])
      c = SIMD4(m[8], m[9], m[10], m[11])
      d = SIMD4(m[12], m[13], m[14], m[15])
    }

    /// Divides each lane by its sum over the registers.
    @inline(__always) mutating func divide(_ epsilon: Float) {
      let sums = (((SIMD4<Float>(repeating: 0) + a) + b) + c) + d + epsilon
      a /= sums
      b /= sums
      c /= sums
      d /= sums
    }

    @inline(__always) mutating func turn() {
      (a, b, c, d) = (
        SIMD4(a.x, b.x, c.x, d.x), SIMD4(a.y, b.y, c.y, d.y), SIMD4(a.z, b.z, c.z, d.z), SIMD4(a.w, b.w, c.w, d.w)
      )
    }

    func write(to m: UnsafeMutablePointer<Float>) {
      for k in 0..<4 { (m[k], m[4 + k], m[8 + k], m[12 + k]) = (a[k], b[k], c[k], d[k]) }
    }
  }
}
