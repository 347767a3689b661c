import Gradients
import Kernels
import MoEModel
import Tensors

/// The loss, the head and the last norm: a few rows of logits at a time, so that they never exist as a whole.
final class HeadBackward {
  /// Rows whose logits exist at one time.
  private static let blockRows = 256
  private let vocabularySize: Int
  private let hiddenSize: Int
  private let parts: BackwardParts
  private var scores: [TargetScore?] = []

  init(_ description: DecoderDescription, _ parts: BackwardParts) {
    (vocabularySize, hiddenSize, self.parts) = (description.vocabularySize, description.hiddenSize, parts)
  }

  /// parts.stream := the gradient by the last layer's output.
  func run(
    _ decoder: Decoder, _ tape: DecoderTape, targets: UnsafePointer<Int32>, objective: Objective
  ) throws -> StepLoss {
    var loss = StepLoss(crossEntropy: [], balance: [], predicted: [])
    let (parts, compute) = (parts, parts.compute)
    let weights = parts.matrix(.head, nil, rows: vocabularySize, columns: hiddenSize)
    scores = Array(repeating: nil, count: Self.blockRows)
    try parts.gradients.add(ParameterID(.head)) { rows, part in
      var (sum, predicted) = (0.0, 0)
      let gradient = MatrixView(part, rows: vocabularySize, columns: hiddenSize)
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
        let block = first..<min(first + Self.blockRows, rows.upperBound)
        let (normed, logits) = decoder.logits(ofRows: block)
        let target = parts.normedGradient
        let own = MatrixView(target[first], rows: block.count, columns: hiddenSize, stride: target.stride)
        scores.withUnsafeMutableBufferPointer { scores in
          compute.compute.pool.run { worker in
            compute.compute.crossEntropy(
              logits, targets: targets + first, factor: objective.factor,
              zFactor: objective.headZLoss * objective.factor, scores: scores.baseAddress!, worker: worker)
            compute.compute.pool.barrier(worker: worker)
            compute.multiply(StridedMatrix(logits), by: weights, into: own, worker: worker)
            compute.multiply(
              StridedMatrix(logits).transposed, by: StridedMatrix(normed), into: gradient, adding: true, worker: worker)
          }
        }
        for score in scores.prefix(block.count) {
          guard let score else { continue }
          sum -= Double(score.logprob)
          predicted += 1
        }
      }
      loss.crossEntropy.append(sum)
      loss.predicted.append(predicted)
      loss.balance.append(0)
    }
    let stream = parts.stream
    parts.pool.rows(parts.rowCount) { stream[$0].update(repeating: 0, count: hiddenSize) }
    try parts.endNorm(tape.hidden, .finalNorm, layer: nil)
    return loss
  }
}
