import Kernels

@testable import Gradients

extension GradientCompute {
  /// What `body` finds of each of `heads`, which the workers share out among them.
  func shared<Head, Found>(
    among heads: [Head], _ body: (_ head: Head, _ compute: GradientCompute, _ worker: Int) -> Found?
  ) -> [Found?] {
    var found = [Found?](repeating: nil, count: heads.count)
    found.withUnsafeMutableBufferPointer { found in
      nonisolated(unsafe) let (places, body, heads) = (found, body, heads)
      compute.pool.run { worker in
        for head in compute.share(of: heads.count, worker: worker) { places[head] = body(heads[head], self, worker) }
      }
    }
    return found
  }
}
