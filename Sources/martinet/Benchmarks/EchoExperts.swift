import Kernels
import MoEModel
import Tensors

/// Experts that take no time: their outputs are whatever lies in memory, so that only dispatch and combine are timed.
final class EchoExperts: ExpertComputation {
  private let hiddenSize: Int
  private var rows = AlignedBuffer<Float>(count: 1)
  private(set) var expertsVisited = 0

  init(hiddenSize: Int) { self.hiddenSize = hiddenSize }

  func run(
    layer: Int, inputs: UnsafePointer<UnsafePointer<Float>>, inputCount: Int, visits: UnsafeBufferPointer<ExpertVisit>
  ) {
    let count = visits.count * hiddenSize
    guard rows.count < count else { return }
    rows = AlignedBuffer(count: count)
    // Touched now, not while being timed.
    rows.buffer.update(repeating: 0)
  }

  func product(_ visit: Int) -> UnsafeMutablePointer<Float> { rows.pointer + visit * hiddenSize }

  func sum(
    _ visits: UnsafePointer<ExpertVisit>, first: Int, count: Int, ids: UnsafePointer<Int32>, _ compute: Compute
  ) -> UnsafeMutablePointer<Float> { product(first) }
}
