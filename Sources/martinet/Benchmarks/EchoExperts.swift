import ExpertParallelism
import Kernels
import MoEModel
import Tensors

/// Experts that take no time, one output row for each input row whatever it visits: only dispatch and combine are timed.
final class EchoExperts: ExpertComputation {
  private let hiddenSize: Int
  private var rows = AlignedBuffer<Float>(count: 1)
  private var rowOfVisit: [Int32] = []
  private(set) var expertsVisited = 0

  let rowFormat: RowFormat

  init(_ wire: WireFormat) { (hiddenSize, rowFormat) = (wire.hiddenSize, wire.tokens) }

  func twin() -> any ExpertComputation { EchoExperts(WireFormat(hiddenSize: hiddenSize, tokens: rowFormat)) }

  func run(layer: Int, inputs: UnsafePointer<UnsafeRawPointer>, visits: UnsafeBufferPointer<ExpertVisit>) {
    rowOfVisit.removeAll(keepingCapacity: true)
    var inputCount = 0
    for visit in visits {
      rowOfVisit.append(visit.row)
      inputCount = max(inputCount, Int(visit.row) + 1)
    }
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
