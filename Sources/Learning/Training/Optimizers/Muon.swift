import Tensors

/// Muon for one matrix at a time, as DeepSeek-V4 has it (algorithm 1): the sum of gradients, made nearly orthogonal.
///
/// M ← μ M + G;  O = orthogonal(μ M + G) · √max(n, m) · γ;  W ← W · (1 − η λ) − η · O.
/// The factor γ lets AdamW's learning rates be kept.
package struct Muon: Sendable, Equatable {
  /// μ.
  package var momentum = 0.95
  /// λ.
  package var decay = 0.1
  /// γ.
  package var scale = 0.18
  package var iteration = NewtonSchulz.deepSeekV4

  package init() {}

  package func check() throws(TrainingError) {
    guard momentum >= 0, momentum < 1 else {
      throw .badOption("Muon's momentum", "\(momentum)", "give a number from 0 to below 1")
    }
    guard decay >= 0, decay.isFinite else {
      throw .badOption("the weight decay", "\(decay)", "give a number that is not negative")
    }
    guard scale > 0, scale.isFinite else {
      throw .badOption("the scale of Muon's updates", "\(scale)", "give a positive number")
    }
  }

  /// Updates a whole matrix `[rows, columns]`: weights and momentum in place, from gradients of the same shape that are
  /// multiplied with `factor` first. Memory comes from `scratch`.
  package func update(
    weights: MatrixView<Float>, momentum: MatrixView<Float>, gradient: MatrixView<Float>, factor: Float,
    learningRate: Double, products: some MatrixProducts, scratch: MuonScratch
  ) {
    let (rows, columns) = (weights.rowCount, weights.columns)
    let mu = Float(self.momentum)
    let direction = scratch.direction(rows: rows, columns: columns)
    for i in 0..<rows {
      let (m, g, u) = (momentum[i], gradient[i], direction[i])
      for j in 0..<columns {
        let scaled = g[j] * factor
        let sum = mu * m[j] + scaled
        m[j] = sum
        u[j] = mu * sum + scaled
      }
    }
    let orthogonal = iteration.orthogonalize(direction, products: products, scratch: scratch)
    let keep = Float(1 - learningRate * decay)
    let rate = Float(learningRate * scale * Double(max(rows, columns)).squareRoot())
    for i in 0..<rows {
      let (w, o) = (weights[i], orthogonal[i])
      for j in 0..<columns { w[j] = w[j] * keep - rate * o[j] }
    }
  }
}

/// Memory for updates by Muon, kept from matrix to matrix: four of the size of the largest.
package final class MuonScratch {
  private var buffers = (0..<5).map { _ in AlignedBuffer<Float>(count: 1) }

  package init() {}

  private func view(_ number: Int, rows: Int, columns: Int) -> MatrixView<Float> {
    if buffers[number].count < rows * columns { buffers[number] = AlignedBuffer(count: rows * columns) }
    return MatrixView(buffers[number].pointer, rows: rows, columns: columns)
  }

  func direction(rows: Int, columns: Int) -> MatrixView<Float> { view(0, rows: rows, columns: columns) }
  /// The matrix that the iteration works on, and its next form.
  func work(_ number: Int, rows: Int, columns: Int) -> MatrixView<Float> {
    view(1 + number, rows: rows, columns: columns)
  }
  /// Squares of the shorter side.
  func square(_ number: Int, size: Int) -> MatrixView<Float> { view(3 + number, rows: size, columns: size) }
}
