import Gradients
import Kernels
import MoEModel
import Tensors

/// Of the loss, the head and the last norm; where the model has a prediction module, of the module's loss too, as its
/// head is the model's.
final class HeadBackward {
  private let vocabularySize: Int
  private let hiddenSize: Int
  private let parts: BackwardParts
  /// Nil where the residual is plain.
  private let streams: StreamBackward?
  /// The gradient by the last norm's output, where a module's comes first; else it is `parts.normedGradient`.
  private let normedRows: RowStorage<Float>?

  init(_ description: DecoderDescription, _ parts: BackwardParts, _ streams: StreamBackward?) {
    (vocabularySize, hiddenSize, self.parts) = (description.vocabularySize, description.hiddenSize, parts)
    self.streams = streams
    normedRows = description.predicts ? RowStorage(columns: hiddenSize) : nil
  }

  /// The gradient by the last norm's output, and in `parts.normedGradient` that by the module's if there is one.
  func run(_ decoder: Decoder, targets: Targets, _ rowLoss: any RowLoss, objective: Objective) throws -> StepLoss {
    var loss = StepLoss()
    let aheadLoss = CrossEntropyLoss()
    normedRows?.reserve(rows: parts.rowCount)
    let (next, ahead) = (
      TargetLoss(decoder, parts.compute.compute), TargetLoss(decoder, parts.compute.compute, ahead: true)
    )
    let (own, moduleGradient) = (gradient, parts.normedGradient)
    /// `adding`: to what the head's gradient has already. Leaves without rows have losses, too: of none.
    func learn(_ rows: Range<Int>, _ part: UnsafeMutablePointer<Float>, adding: Bool) {
      loss.append(
        self.learn(
          next, rows, targets.next, rowLoss, factor: objective.factor, into: own, head: part, adding: adding))
      guard normedRows != nil else { return }
      loss.appendAhead(
        self.learn(
          ahead, rows, targets.ahead, aheadLoss, factor: objective.aheadFactor, into: moduleGradient, head: part,
          adding: true))
    }
    // A leaf whose part is one product adds it by itself.
    let longest = parts.gradients.leaves.map(\.rows.count).max() ?? 0
    if normedRows == nil, longest <= TargetLoss.blockRows {
      try parts.gradients.accumulate(ParameterID(.head), ofEmpty: true) { learn($0, $1, adding: $2) }
    } else {
      try parts.gradients.add(ParameterID(.head), ofEmpty: true) { learn($0, $1, adding: true) }
    }
    return loss
  }

  /// parts.stream, or of several parts.streams, := the gradient by the last layer's output; `states`: what the module
  /// adds to that by the last norm's output, or of several streams to that by them.
  func end(_ decoder: Decoder, adding states: MatrixView<Float>?) throws {
    let (stream, own, target, hidden) = (parts.stream, gradient, parts.normedGradient, hiddenSize)
    let (compute, isOfStreams) = (parts.compute.compute, streams != nil)
    parts.forEachRow { row in
      stream[row].update(repeating: 0, count: hidden)
      guard let states else { return }
      target[row].update(from: own[row], count: hidden)
      if !isOfStreams { compute.add(states[row], to: target[row], count: hidden) }
    }
    try parts.endNorm(decoder.output, .finalNorm, layer: nil)
    guard let streams, let tape = decoder.headTape else { return }
    try streams.backThroughSum(tape, of: .head, layer: nil)
    guard let states else { return }
    let all = parts.streams
    parts.forEachRow { compute.add(states[$0], to: all[$0], count: all.columns) }
  }

  private var gradient: MatrixView<Float> { normedRows?.view(rows: parts.rowCount) ?? parts.normedGradient }

  /// The loss of some rows; `normedGradient` gets the gradient by what their logits were made from, `part` that by the
  /// head, added where `adding`.
  private func learn(
    _ loss: TargetLoss, _ rows: Range<Int>, _ targets: UnsafePointer<Int32>, _ rowLoss: any RowLoss, factor: Float,
    into normedGradient: MatrixView<Float>, head part: UnsafeMutablePointer<Float>, adding: Bool
  ) -> (sum: Double, predicted: Int) {
    let (compute, gradient) = (parts.compute, MatrixView(part, rows: vocabularySize, columns: hiddenSize))
    let weights = parts.matrix(.head, nil, rows: vocabularySize, columns: hiddenSize)
    return loss.measure(rows, targets: targets, rowLoss, factor: factor) { block, normed, logits, worker in
      compute.multiply(StridedMatrix(logits), by: weights, into: normedGradient.rows(block), worker: worker)
      compute.multiply(
        StridedMatrix(logits).transposed, by: StridedMatrix(normed), into: gradient, adding: adding, worker: worker)
    }
  }
}

/// What the rows of a batch are to predict, by row; negative where nothing is.
package struct Targets {
  /// The token that follows.
  package let next: UnsafePointer<Int32>
  /// The one after it, which the prediction module guesses.
  package let ahead: UnsafePointer<Int32>

  package init(next: UnsafePointer<Int32>, ahead: UnsafePointer<Int32>) { (self.next, self.ahead) = (next, ahead) }
}
