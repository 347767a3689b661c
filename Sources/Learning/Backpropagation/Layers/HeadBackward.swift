import Gradients
import Kernels
import MoEModel
import Tensors

/// Of the loss, the head and the last norm.
final class HeadBackward {
  private let vocabularySize: Int
  private let hiddenSize: Int
  private let parts: BackwardParts

  init(_ description: DecoderDescription, _ parts: BackwardParts) {
    (vocabularySize, hiddenSize, self.parts) = (description.vocabularySize, description.hiddenSize, parts)
  }

  /// parts.stream := the gradient by the last layer's output.
  func run(
    _ decoder: Decoder, _ tape: DecoderTape, targets: UnsafePointer<Int32>, objective: Objective
  ) throws -> StepLoss {
    var loss = StepLoss()
    let compute = parts.compute
    let weights = parts.matrix(.head, nil, rows: vocabularySize, columns: hiddenSize)
    let (targetLoss, normedGradient) = (TargetLoss(decoder, compute.compute), parts.normedGradient)
    try parts.gradients.add(ParameterID(.head)) { rows, part in
      let gradient = MatrixView(part, rows: vocabularySize, columns: hiddenSize)
      loss.append(
        targetLoss.measure(
          rows, targets: targets, factor: objective.factor, zFactor: objective.headZLoss * objective.factor
        ) { block, normed, logits, worker in
          compute.multiply(StridedMatrix(logits), by: weights, into: normedGradient.rows(block), worker: worker)
          compute.multiply(
            StridedMatrix(logits).transposed, by: StridedMatrix(normed), into: gradient, adding: true, worker: worker)
        })
    }
    let stream = parts.stream
    parts.forEachRow { stream[$0].update(repeating: 0, count: hiddenSize) }
    try parts.endNorm(tape.hidden, .finalNorm, layer: nil)
    return loss
  }
}
