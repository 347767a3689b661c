import Kernels
import MoEModel

/// Gradients of the weights of hyper-connections (`StreamWeights`) of one row, by what each is a function of: a number
/// of the weights' function, times a scale, plus a base.
///
/// All arithmetic is fp32; sums run in ascending order from 0.
package struct StreamWeightGradient: Sendable {
  private let weights: StreamWeights
  private var shape: HyperConnections { weights.shape }
  /// Of a head, which has weights of the sum only.
  private let isHead: Bool

  package init(_ shape: HyperConnections, ofHead isHead: Bool) {
    (weights, self.isHead) = (StreamWeights(shape), isHead)
  }

  /// How many weights there are.
  package var count: Int { isHead ? shape.streams : shape.weightCount }
  /// How many scales.
  package var scaleCount: Int { isHead ? 1 : 3 }

  /// The weights that have a scale.
  package func range(ofScale scale: Int) -> Range<Int> {
    let first = scale * shape.streams
    return first..<(scale < 2 ? first + shape.streams : count)
  }

  /// `out` := the weights, `[count]`, with the forward pass's bits: `numbers` `[count]` are the function's, `base`
  /// `[count]`, `scale` `[scaleCount]`.
  package func weigh(
    _ numbers: UnsafePointer<Float>, base: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    out.update(from: numbers, count: count)
    weights.finish(out, ofHead: isHead, base: base, scale: scale)
  }

  /// `arguments` `[count]` := the gradients by number · scale + base, from `gradients` `[count]` by the weights.
  /// `numbers` `[count]` are the function's, `base` `[count]`, `scale` `[scaleCount]`.
  package func write(
    numbers: UnsafePointer<Float>, base: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    gradients: UnsafePointer<Float>, into arguments: UnsafeMutablePointer<Float>
  ) {
    let streams = shape.streams
    for j in 0..<(isHead ? streams : 2 * streams) {
      let part = j / streams
      let opened = sigmoid(numbers[j] * scale[part] + base[j])
      arguments[j] = gradients[j] * (opened * (1 - opened)) * (part == 0 ? 1 : 2)
    }
    guard !isHead else { return }
    let first = 2 * streams
    balance(
      numbers + first, base: base + first, scale: scale[2], gradients: gradients + first, into: arguments + first)
  }

  /// Back through the divisions by sums, from the last to the first, and through the softmax.
  private func balance(
    _ numbers: UnsafePointer<Float>, base: UnsafePointer<Float>, scale: Float, gradients: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    let (n, size) = (shape.streams, shape.streams * shape.streams)
    let steps = 2 * max(shape.iterations, 1) - 1
    withUnsafeTemporaryAllocation(of: Float.self, capacity: (steps + 2) * size + steps * n) { memory in
      // The softmax; then the matrix before the first division, and after each; then the divisors of each.
      let shares = memory.start
      let (matrices, sums) = (shares + size, shares + (steps + 2) * size)
      shares.update(from: numbers, count: size)
      weights.soften(shares, base: base, scale: scale)
      for i in 0..<size { matrices[i] = shares[i] + shape.epsilon }
      for step in 0..<steps {
        divide(matrices + step * size, step, into: matrices + (step + 1) * size, sums: sums + step * n)
      }
      out.update(from: gradients, count: size)
      for step in (0..<steps).reversed() {
        backThroughDivision(matrices + (step + 1) * size, step, sums: sums + step * n, out)
      }
      for row in 0..<n {
        let (own, gradient) = (shares + row * n, out + row * n)
        var mean: Float = 0
        for k in 0..<n { mean += own[k] * gradient[k] }
        for k in 0..<n { gradient[k] = own[k] * (gradient[k] - mean) }
      }
    }
  }

  /// Of the lines that a step divides, columns and rows in turn, columns first: from one element to the next, and from
  /// one line to the next.
  private func strides(_ step: Int) -> (element: Int, line: Int) {
    step % 2 == 0 ? (shape.streams, 1) : (1, shape.streams)
  }

  private func divide(
    _ matrix: UnsafePointer<Float>, _ step: Int, into out: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Float>
  ) {
    let (n, strides) = (shape.streams, strides(step))
    for line in 0..<n {
      let first = line * strides.line
      var sum: Float = 0
      for i in 0..<n { sum += matrix[first + i * strides.element] }
      sums[line] = sum + shape.epsilon
      for i in 0..<n { out[first + i * strides.element] = matrix[first + i * strides.element] / sums[line] }
    }
  }

  /// gradient := that by a step's matrix, from that by its `quotients`.
  private func backThroughDivision(
    _ quotients: UnsafePointer<Float>, _ step: Int, sums: UnsafePointer<Float>,
    _ gradient: UnsafeMutablePointer<Float>
  ) {
    let (n, strides) = (shape.streams, strides(step))
    for line in 0..<n {
      let first = line * strides.line
      var pull: Float = 0
      for i in 0..<n { pull += gradient[first + i * strides.element] * quotients[first + i * strides.element] }
      for i in 0..<n {
        let at = first + i * strides.element
        gradient[at] = (gradient[at] - pull) / sums[line]
      }
    }
  }
}
