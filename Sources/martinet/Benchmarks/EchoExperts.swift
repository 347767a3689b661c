import Kernels
import MoEModel
import Tensors

/// Experts that take no time, one output row for each input row whatever it visits: only dispatch and combine are timed.
final class EchoExperts: ExpertComputation {
  private let hiddenSize: Int
  private var rows = AlignedBuffer<Float>(count: 1)
  private var rowOfVisit: [Int32] = []
  private(set) var expertsVisited = 0

  init(hiddenSize: Int) { self.hiddenSize = hiddenSize }

  func run(
    layer: Int, inputs: UnsafePointer<UnsafePointer<Float>>, inputCount: Int, visits: UnsafeBufferPointer<ExpertVisit>
  ) {
    rowOfVisit.removeAll(keepingCapacity: true)
    for visit in visits { rowOfVisit.append(visit.row) }
    guard rows.count < inputCount * hiddenSize else { return }
    rows = AlignedBuffer(count: inputCount * hiddenSize)
    // Touched now, not while being timed.
    rows.buffer.update(repeating: 0)
  }

  func product(_ visit: Int) -> UnsafeMutablePointer<Float> { rows.pointer + Int(rowOfVisit[visit]) * hiddenSize }

  func sum(
    _ visits: UnsafePointer<ExpertVisit>, first: Int, count: Int, ids: UnsafePointer<Int32>, _ compute: Compute
  ) -> UnsafeMutablePointer<Float> { product(first) }
}
