import Gradients
import Kernels
import MoEModel

/// What a step minimises of each row of its batch, by the row's logits.
package protocol RowLoss: AnyObject {
  /// Called by one thread before the workers come with the rows of a block.
  func begin(rows: Range<Int>)

  /// Turns the logits `[vocabulary]` of a row into the gradient of its loss, in place; of a row without a target into
  /// zeros. What it tells of the target is added up. `factor` is that of a mean over the step's targets. Called by all
  /// workers, each for rows of its own.
  func learn(_ logits: LogitRow, factor: Float, on compute: Compute, worker: Int) -> TargetScore?
}

extension RowLoss {
  package func begin(rows: Range<Int>) {}
}

/// A loss that looks at all of a step's sequences before it learns from their rows, as one does that asks another
/// model.
package protocol TaughtLoss: RowLoss {
  /// Called once for a step, after the forward pass, with this rank's batch, whose chunks are whole sequences.
  /// `rowsByRank`: rows of all ranks' batches. Collective.
  func begin(_ batch: DecoderBatch, rowsByRank: [Int]) throws
}

/// One row's logits, and what is known of it.
package struct LogitRow {
  /// Its number in this rank's batch.
  package let number: Int
  /// The token that follows; negative where nothing is learnt of it.
  package let target: Int32
  /// `[count]`
  package let logits: UnsafeMutablePointer<Float>
  package let count: Int

  package init(number: Int, target: Int32, logits: UnsafeMutablePointer<Float>, count: Int) {
    (self.number, self.target, self.logits, self.count) = (number, target, logits, count)
  }
}

/// −log p(target), and with a factor the square of log Σ e^logit beside it.
package final class CrossEntropyLoss: RowLoss {
  /// Of (log Σ e^logit)², over that of the loss.
  private let zLoss: Float

  package init(zLoss: Float = 0) { self.zLoss = zLoss }

  package func learn(_ row: LogitRow, factor: Float, on compute: Compute, worker: Int) -> TargetScore? {
    compute.crossEntropy(row.logits, count: row.count, target: row.target, factor: factor, zFactor: zLoss * factor)
  }
}
