import Kernels
import Machine
import Tensors

/// Times matrix products of one shape in every weight format, on weights too many to stay in a cache.
struct KernelBenchmark {
  struct Result {
    var format: WeightFormat
    var inputRows: Int
    var seconds: Double
    var weightBytes: Int
    var operations: Int

    /// Time the limits alone would take, over the time taken.
    func ratio(read: Double, flops: Double) -> Double {
      max(Double(weightBytes) / read, Double(operations) / flops) / seconds
    }
  }

  let compute: Compute
  let rows: Int
  let columns: Int

  /// Memory the weights of one format take together: several times any last-level cache slice.
  private static let footprint = 192 << 20

  func measure(_ format: WeightFormat, inputRows: Int) -> Result {
    let matrices = makeMatrices(format)
    let x = AlignedBuffer<Float>(count: inputRows * columns)
    for i in 0..<x.count { x.pointer[i] = Float(i % 17) * 0.125 - 1 }
    let y = AlignedBuffer<Float>(count: inputRows * rows)
    let bytes = PackedMatrix.panelCount(rows: rows) * format.panelByteCount(columns: columns)
    var best = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      for matrix in matrices.list {
        compute.pool.run { worker in
          matrix.multiply(
            compute, worker: worker, x: x.pointer, xStride: columns, count: inputRows, y: y.pointer, yStride: rows)
        }
      }
      best = min(best, (ContinuousClock.now - start) / .seconds(1) / Double(matrices.list.count))
    }
    withExtendedLifetime(matrices.memory) {}
    return Result(
      format: format, inputRows: inputRows, seconds: best, weightBytes: bytes, operations: 2 * inputRows * rows * columns)
  }

  private func makeMatrices(_ format: WeightFormat) -> (list: [PackedMatrix], memory: [AlignedBuffer<UInt8>]) {
    let panelBytes = format.panelByteCount(columns: columns)
    let bounds = PackedMatrix.evenBounds(rows: rows, workerCount: compute.workerCount)
    let size = PackedMatrix.panelCount(rows: rows) * panelBytes
    let count = max(1, Self.footprint / size)
    // 0x38 is a small normal number in every format; scales get the exponent of 1.
    var memory: [AlignedBuffer<UInt8>] = []
    let list = (0..<count).map { _ in
      let shards = (0..<compute.workerCount).map { worker -> UnsafeMutableRawPointer? in
        let bytes = (bounds[worker + 1] - bounds[worker]) * panelBytes
        guard bytes > 0 else { return nil }
        let buffer = AlignedBuffer<UInt8>(count: bytes)
        buffer.buffer.update(repeating: 0x38)
        memory.append(buffer)
        return UnsafeMutableRawPointer(buffer.pointer)
      }
      return PackedMatrix(format: format, rows: rows, columns: columns, bias: nil, bounds: bounds, shards: shards)
    }
    return (list, memory)
  }
}
