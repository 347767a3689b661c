import Gradients
import Kernels
import Machine
import Tensors

/// Times what backward passes spend their time with: products of matrices made anew each step, and attention's
/// gradient.
package struct GradientBenchmark {
  package struct Result {
    package var name: String
    package var seconds: Double
    /// Two for each product of numbers; of attention, without what causality spares.
    package var operations: Int
  }

  /// C `[rows, columns]`, sums of `depth` products.
  package struct Product {
    var name: String
    var rows: Int
    var columns: Int
    var depth: Int
    /// A weight's gradient: A is transposed, and C is added to.
    var isOfWeight: Bool

    package static let all = [
      Product(name: "weight 192×192, 256 tokens", rows: 192, columns: 192, depth: 256, isOfWeight: true),
      Product(name: "rows of 192, 256 tokens", rows: 256, columns: 192, depth: 192, isOfWeight: false),
      Product(name: "weight 64×192, 24 tokens", rows: 64, columns: 192, depth: 24, isOfWeight: true),
      Product(name: "weight 64×192, 4 tokens", rows: 64, columns: 192, depth: 4, isOfWeight: true),
      Product(name: "512×512×512", rows: 512, columns: 512, depth: 512, isOfWeight: false),
      Product(name: "weight 1024×1024, 2048 tokens", rows: 1024, columns: 1024, depth: 2048, isOfWeight: true),
    ]
  }

  /// One sequence's attention, a task a head.
  package struct Attention {
    var name: String
    var tokens: Int
    var keyDims: Int
    var valueDims: Int

    package static let all = [
      Attention(name: "attention 48/32, 256 tokens", tokens: 256, keyDims: 48, valueDims: 32),
      Attention(name: "attention 128/128, 1024 tokens", tokens: 1024, keyDims: 128, valueDims: 128),
      Attention(name: "attention 576/512, 512 tokens", tokens: 512, keyDims: 576, valueDims: 512),
    ]
  }

  private let gradients: GradientCompute

  package init(compute: Compute) { gradients = GradientCompute(compute) }

  /// All workers together on one product; the best of some.
  package func measure(_ shape: Product) -> Result {
    let (a, b) = (numbers(shape.rows * shape.depth), numbers(shape.depth * shape.columns))
    let c = numbers(shape.rows * shape.columns)
    let left =
      shape.isOfWeight
      ? StridedMatrix(a.pointer, rows: shape.depth, columns: shape.rows, rowStride: shape.rows).transposed
      : StridedMatrix(a.pointer, rows: shape.rows, columns: shape.depth, rowStride: shape.depth)
    let right = StridedMatrix(b.pointer, rows: shape.depth, columns: shape.columns, rowStride: shape.columns)
    let out = MatrixView(c.pointer, rows: shape.rows, columns: shape.columns)
    let operations = 2 * shape.rows * shape.columns * shape.depth
    let seconds = best(operations: operations) {
      gradients.compute.pool.run { worker in
        gradients.multiply(left, by: right, into: out, adding: shape.isOfWeight, worker: worker)
      }
    }
    withExtendedLifetime((a, b, c)) {}
    return Result(name: shape.name, seconds: seconds, operations: operations)
  }

  /// A head on each worker; the best of some.
  package func measure(_ shape: Attention) -> Result {
    gradients.reserve(tokens: shape.tokens)
    var memory: [AlignedBuffer<Float>] = []
    func rows(_ dims: Int) -> MatrixView<Float> {
      memory.append(numbers(shape.tokens * dims))
      return MatrixView(memory[memory.count - 1].pointer, rows: shape.tokens, columns: dims)
    }
    let calls = (0..<gradients.compute.workerCount).map { _ in
      AttentionGradient(
        query: rows(shape.keyDims), key: rows(shape.keyDims), value: rows(shape.valueDims),
        output: rows(shape.valueDims), outputGradient: rows(shape.valueDims), queryGradient: rows(shape.keyDims),
        keyGradient: rows(shape.keyDims), valueGradient: rows(shape.valueDims), scale: 0.1)
    }
    let pairs = shape.tokens * (shape.tokens + 1) / 2
    let operations = 2 * pairs * (3 * shape.keyDims + 2 * shape.valueDims) * calls.count
    let seconds = best(operations: operations) {
      gradients.compute.pool.run { worker in gradients.attend(calls[worker], worker: worker) }
    }
    withExtendedLifetime(memory) {}
    return Result(name: shape.name, seconds: seconds, operations: operations)
  }

  private func numbers(_ count: Int) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer<Float>(count: count)
    for i in 0..<count { buffer.pointer[i] = Float(i % 17) * 0.125 - 1 }
    return buffer
  }

  /// Seconds of one call, the best of five runs of as many as do some 2 · 10^8 operations.
  private func best(operations: Int, _ body: () -> Void) -> Double {
    let calls = max(1, 200_000_000 / operations)
    var best = Double.infinity
    for _ in 0..<5 {
      let start = ContinuousClock.now
      for _ in 0..<calls { body() }
      best = min(best, (ContinuousClock.now - start) / .seconds(1) / Double(calls))
    }
    return best
  }
}
