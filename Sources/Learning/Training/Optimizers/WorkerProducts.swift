import Gradients
import Tensors

/// Products by one worker alone, in the order of `CGradients/include/product.h`: workers take matrices, not parts of
/// them.
package struct WorkerProducts: MatrixProducts {
  private let compute: GradientCompute
  private let worker: Int

  package init(_ compute: GradientCompute, worker: Int) { (self.compute, self.worker) = (compute, worker) }

  package func multiply(_ a: MatrixView<Float>, transposed b: MatrixView<Float>, into result: MatrixView<Float>) {
    compute.multiplyAll(
      StridedMatrix(a), by: StridedMatrix(b).transposed, into: result, precision: .float32, worker: worker)
  }

  package func multiply(_ a: MatrixView<Float>, _ b: MatrixView<Float>, into result: MatrixView<Float>) {
    compute.multiplyAll(StridedMatrix(a), by: StridedMatrix(b), into: result, precision: .float32, worker: worker)
  }
}
