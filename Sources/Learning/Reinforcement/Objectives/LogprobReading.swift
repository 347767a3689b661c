import Backpropagation
import Gradients
import Kernels
import Tensors

/// Only reads log π of targets; nothing is learnt.
final class LogprobReading: RowLoss {
  private var read = AlignedBuffer<Float>(count: 1)
  private var capacity = 0
  /// Of a row without a target: no logarithm of a probability.
  private static let none: Float = 1

  /// For so many rows.
  func begin(rowCount: Int) {
    capacity = rowCount
    if read.count < rowCount { read = AlignedBuffer(count: rowCount) }
    for row in 0..<rowCount { read.pointer[row] = Self.none }
  }

  /// Those of all rows with a target, in their order.
  var values: [Float] { (0..<capacity).compactMap { read.pointer[$0] == Self.none ? nil : read.pointer[$0] } }

  func learn(_ row: LogitRow, factor: Float, on compute: Compute, worker: Int) -> TargetScore? {
    guard row.target >= 0 else { return nil }
    read.pointer[row.number] = compute.logprob(row.logits, count: row.count, target: row.target)
    return nil
  }
}
