import Gradients
import Tensors

/// Products by one worker alone, in the order of `CGradients/include/product.h`, of operands rounded as `compute` has
/// them: workers take matrices, not parts of them.
package struct WorkerProducts: MatrixProducts {
  /// Rows of a square that are computed at a time, a multiple of what every instruction set's kernels take at once.
  private static let strip = 48
  private let compute: GradientCompute
  private let worker: Int

  package init(_ compute: GradientCompute, worker: Int) { (self.compute, self.worker) = (compute, worker) }

  package func multiply(_ a: MatrixView<Float>, transposed b: MatrixView<Float>, into result: MatrixView<Float>) {
    compute.multiplyAll(StridedMatrix(a), by: StridedMatrix(b).transposed, into: result, worker: worker)
  }

  package func multiply(_ a: MatrixView<Float>, _ b: MatrixView<Float>, into result: MatrixView<Float>) {
    compute.multiplyAll(StridedMatrix(a), by: StridedMatrix(b), into: result, worker: worker)
  }

  /// Strips of rows end at the diagonal; what lies above it is the same as below: a sum's factors change places, its
  /// order stays.
  package func square(_ a: MatrixView<Float>, into result: MatrixView<Float>) {
    for first in stride(from: 0, to: a.rowCount, by: Self.strip) {
      let known = first..<min(first + Self.strip, a.rowCount)
      let columns = 0..<known.upperBound
      multiply(a.rows(known), transposed: a.rows(columns), into: result.rows(known).columns(columns))
      guard first > 0 else { continue }
      result.rows(known).columns(0..<first).transpose(into: result.columns(known))
    }
  }
}
