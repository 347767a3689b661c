import Kernels
import Machine
import Tensors

extension Compute {
  /// Calls `body` for each of so many rows, which the workers share.
  func forEachRow(_ count: Int, _ body: (_ row: Int) -> Void) {
    pool.run { worker in
      for row in share(of: count, worker: worker) { body(row) }
    }
  }
}

extension MatrixView<Float> {
  /// The columns of a head, where each has so many.
  func head(_ head: Int, of width: Int) -> MatrixView { columns((head * width)..<((head + 1) * width)) }
}
