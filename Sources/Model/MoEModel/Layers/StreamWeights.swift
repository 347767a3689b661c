import Kernels

/// The weights of hyper-connections (`StreamMixer`) of one row, from what their function gave of its streams.
package struct StreamWeights: Sendable {
  package let shape: HyperConnections

  package init(_ shape: HyperConnections) { self.shape = shape }

  /// Turns the function's numbers into weights, in their place: `[streams]` of a head, `[weightCount]` of half a layer,
  /// as many as `base` has; `scale` is `[1]` or `[3]`.
  package func finish(
    _ weights: UnsafeMutablePointer<Float>, ofHead isHead: Bool, base: UnsafePointer<Float>,
    scale: UnsafePointer<Float>
  ) {
    let count = shape.streams
    for j in 0..<count { weights[j] = sigmoid(weights[j] * scale[0] + base[j]) + shape.epsilon }
    guard !isHead else { return }
    for j in count..<(2 * count) { weights[j] = 2 * sigmoid(weights[j] * scale[1] + base[j]) }
    let matrix = weights + 2 * count
    soften(matrix, base: base + 2 * count, scale: scale[2])
    for i in 0..<(count * count) { matrix[i] += shape.epsilon }
    SinkhornBalance(count: count, iterations: shape.iterations, epsilon: shape.epsilon).apply(matrix)
  }

  /// Of the matrix the softmax of each row, `[streams, streams]`, in place; `base` is the matrix's.
  package func soften(_ matrix: UnsafeMutablePointer<Float>, base: UnsafePointer<Float>, scale: Float) {
    let count = shape.streams
    for j in 0..<count {
      let row = matrix + j * count
      for k in 0..<count { row[k] = row[k] * scale + base[j * count + k] }
      Router.softmax(row, into: row, count: count)
    }
  }
}
