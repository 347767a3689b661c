import Backpropagation
import DistributedTraining
import Fabric
import Gradients
import Kernels
import MoEModel
import Tensors

/// The divergence of the student's distribution from the teacher's at each token that is learnt, over the whole
/// vocabulary that both have. What a step tells as its loss is the mean divergence of a token.
package final class DivergenceLoss: TaughtLoss {
  /// What a row told of the student.
  struct Told: BitwiseCopyable {
    var isLearnt = false
    var entropy = 0.0
    var logprob: Float = 0
  }

  private let teacher: FrozenModel
  private let divergence: Divergence
  private let vocabulary: CommonVocabulary
  private let communicator: any Communicator
  /// The teacher's, of the rows of the block under way.
  private var block: (first: Int, logits: MatrixView<Float>)?
  /// Written by all workers, each its own rows.
  private var told = AlignedBuffer<Told>(count: 1)
  /// What the teacher's pass over the last batch took.
  package private(set) var teacherTime = Duration.zero

  package init(
    _ teacher: FrozenModel, _ divergence: Divergence, _ vocabulary: CommonVocabulary,
    on communicator: any Communicator
  ) {
    (self.teacher, self.divergence, self.vocabulary) = (teacher, divergence, vocabulary)
    self.communicator = communicator
  }

  package func begin(_ batch: DecoderBatch, rowsByRank: [Int]) throws {
    let began = ContinuousClock.now
    try teacher.forward(batch, rowsByRank: rowsByRank, on: communicator)
    teacherTime = ContinuousClock.now - began
    let rows = batch.tokens.count
    if told.count < rows { told = AlignedBuffer(count: rows + rows / 2) }
    for row in 0..<rows { told.pointer[row] = Told() }
  }

  package func begin(rows: Range<Int>) { block = (rows.lowerBound, teacher.logits(ofRows: rows)) }

  package func learn(_ row: LogitRow, factor: Float, on compute: Compute, worker: Int) -> TargetScore? {
    guard row.target >= 0, let block else {
      row.logits.update(repeating: 0, count: row.count)
      return nil
    }
    let score = compute.divergence(
      divergence, student: row.logits, teacher: block.logits[row.number - block.first], count: vocabulary.size,
      target: row.target, factor: factor)
    (row.logits + vocabulary.size).update(repeating: 0, count: row.count - vocabulary.size)
    told.pointer[row.number] = Told(isLearnt: true, entropy: score.entropy, logprob: score.logprob ?? .nan)
    return TargetScore(logprob: Float(-score.divergence), logSum: 0)
  }

  /// What the rows of a batch told, each leaf of so many rows by itself, in their order.
  func findings(rowsByLeaf: some Sequence<Int>) -> [DistillationFindings] {
    var first = 0
    return rowsByLeaf.map { count in
      var sum = DistillationFindings()
      for row in first..<(first + count) { sum.add(told.pointer[row]) }
      first += count
      return sum
    }
  }
}
