import ExpertParallelism
import Kernels
import MoEModel
import Tensors

/// Experts that take no time, one output row for each input row whatever it visits: only dispatch and combine are timed.
final class EchoExperts: ExpertComputation {
  private let hiddenSize: Int
  private var rows = AlignedBuffer<Float>(count: 1)
  private var visits = UnsafeBufferPointer<ExpertVisit>(start: nil, count: 0)
  private(set) var expertsVisited = 0

  let rowFormat: RowFormat

  init(_ wire: WireFormat) { (hiddenSize, rowFormat) = (wire.hiddenSize, wire.tokens) }

  func twin() -> any ExpertComputation { EchoExperts(WireFormat(hiddenSize: hiddenSize, tokens: rowFormat)) }

  func run(layer: Int, inputs: UnsafePointer<UnsafeRawPointer>, visits: UnsafeBufferPointer<ExpertVisit>) {
    // They stay where they are until the next run.
    self.visits = visits
    let inputCount = visits.last.map { Int($0.row) + 1 } ?? 0
    guard rows.count < inputCount * hiddenSize else { return }
    rows = AlignedBuffer(count: inputCount * hiddenSize)
    // Touched now, not while being timed.
    rows.buffer.update(repeating: 0)
  }

  func product(_ visit: Int) -> UnsafeMutablePointer<Float> { rows.pointer + Int(visits[visit].row) * hiddenSize }

  func sum(
    _ visits: UnsafePointer<ExpertVisit>, first: Int, count: Int, ids: UnsafePointer<Int32>, _ compute: Compute
  ) -> UnsafeMutablePointer<Float> { product(first) }
}
