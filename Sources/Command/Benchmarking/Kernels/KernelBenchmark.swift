import Kernels
import Machine
import Tensors

/// Times matrix products of one shape in every weight format, on weights too many to stay in a cache.
package struct KernelBenchmark {
  package struct Result {
    package var format: WeightFormat
    package var rowFormat: RowFormat
    package var inputRows: Int
    package var seconds: Double
    package var weightBytes: Int
    package var operations: Int

    /// Time the limits alone would take, over the time taken.
    package func ratio(_ limits: Limits) -> Double {
      max(Double(weightBytes) / limits.read, Double(operations) / limits.arithmetic(of: rowFormat)) / seconds
    }
  }

  /// What this machine can do: bytes read, and operations by what rows are rounded to, per second.
  package struct Limits {
    package let read: Double
    private let float32: Double
    private let bfloat16: Double
    private let int8: Double

    package init(_ compute: Compute) {
      read = compute.probeRead()
      float32 = compute.probeArithmetic(of: .float32)
      bfloat16 = compute.probeArithmetic(of: .bfloat16)
      int8 = compute.probeArithmetic(of: .int8)
    }

    package func arithmetic(of format: RowFormat) -> Double {
      switch format {
      case .float32: float32
      case .bfloat16: bfloat16
      case .int8: int8
      }
    }
  }

  /// Every product there is.
  package static var products: [(WeightFormat, RowFormat)] {
    WeightFormat.all.flatMap { format in RowFormat.allCases.filter(format.canMeet).map { (format, $0) } }
  }

  let compute: Compute
  let rows: Int
  let columns: Int

  /// Products with weights `[rows, columns]`.
  package init(compute: Compute, rows: Int, columns: Int) {
    (self.compute, self.rows, self.columns) = (compute, rows, columns)
  }

  /// Memory the weights of one format take together: several times any last-level cache slice.
  static let footprint = 192 << 20

  /// Times the product of `inputRows` rows with weights held in `format`, which meet rows of `rowFormat`.
  package func measure(_ format: WeightFormat, rowFormat: RowFormat, inputRows: Int) -> Result {
    let matrices = makeMatrices(format, rowFormat)
    let x = AlignedBuffer<Float>(count: inputRows * columns)
    for i in 0..<x.count { x.pointer[i] = Float(i % 17) * 0.125 - 1 }
    let y = AlignedBuffer<Float>(count: inputRows * rows)
    let rounded = RowBuffer(rowFormat, columns: columns, rows: inputRows)
    for row in 0..<inputRows { rounded.round(compute, row: row, x.pointer + row * columns) }
    let input = rounded.rows(of: x.pointer, stride: columns)
    let bytes = PackedMatrix.panelCount(rows: rows) * format.panelByteCount(columns: columns)
    var best = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      for matrix in matrices.list {
        compute.pool.run { worker in
          matrix.multiply(compute, worker: worker, x: input, count: inputRows, y: y.pointer, yStride: rows)
        }
      }
      best = min(best, (ContinuousClock.now - start) / .seconds(1) / Double(matrices.list.count))
    }
    withExtendedLifetime(matrices.memory) {}
    return Result(
      format: format, rowFormat: rowFormat, inputRows: inputRows, seconds: best, weightBytes: bytes,
      operations: 2 * inputRows * rows * columns)
  }

  private func makeMatrices(
    _ format: WeightFormat, _ rowFormat: RowFormat
  ) -> (list: [PackedMatrix], memory: [AlignedBuffer<UInt8>]) {
    let panelBytes = format.panelByteCount(columns: columns)
    let bounds = PackedMatrix.evenBounds(rows: rows, workerCount: compute.workerCount)
    let size = PackedMatrix.panelCount(rows: rows) * panelBytes
    let count = max(1, Self.footprint / size)
    // 0x38 is a small normal number in every format. As an E8M0 scale, which a panel has at its end, it would be 2^-71,
    // as no weights have it: these are 2^-7.
    let scaleBytes =
      format == .mxfp4 ? (PackedMatrix.panelRows * format.blockCount(columns: columns) + 63) / 64 * 64 : 0
    var memory: [AlignedBuffer<UInt8>] = []
    let list = (0..<count).map { _ in
      let shards = (0..<compute.workerCount).map { worker -> UnsafeMutableRawPointer? in
        let bytes = (bounds[worker + 1] - bounds[worker]) * panelBytes
        guard bytes > 0 else { return nil }
        let buffer = AlignedBuffer<UInt8>(count: bytes)
        buffer.buffer.update(repeating: 0x38)
        for end in stride(from: panelBytes, through: bytes, by: panelBytes) {
          buffer.buffer[(end - scaleBytes)..<end].update(repeating: 120)
        }
        memory.append(buffer)
        return UnsafeMutableRawPointer(buffer.pointer)
      }
      return PackedMatrix(
        format: format, rows: rows, columns: columns, rowFormat: rowFormat, bias: nil, bounds: bounds, shards: shards)
    }
    return (list, memory)
  }
}
