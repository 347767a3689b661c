import ExpertParallelism
import Kernels
import Machine
import MoEModel
import Tensors

/// Experts that take no time, one output row for each input row whatever it visits: only dispatch and combine are
/// timed.
final class EchoExperts: RoutedExperts {
  private let hiddenSize: Int
  private let compute: Compute
  private var rows = AlignedBuffer<Float>(count: 1)

  let rowFormat: RowFormat

  init(_ wire: WireFormat, _ compute: Compute) {
    (hiddenSize, rowFormat, self.compute) = (wire.hiddenSize, wire.tokens, compute)
  }

  func compute(_ batch: VisitBatch) {
    let (subtrees, visits, count) = (batch.subtrees.elements, batch.visits.elements, batch.subtrees.count)
    let outputs = batch.outputs.extend(by: count)
    reserve(batch.inputs.count)
    let (rows, hiddenSize) = (rows.pointer, hiddenSize)
    compute.pool.run { worker in
      for i in compute.share(of: count, worker: worker) {
        outputs[i] = rows + Int(visits[subtrees[i].first].row) * hiddenSize
      }
    }
  }

  private func reserve(_ count: Int) {
    guard rows.count < count * hiddenSize else { return }
    rows = AlignedBuffer(count: count * hiddenSize)
    // Touched now, not while being timed.
    rows.buffer.update(repeating: 0)
  }
}
