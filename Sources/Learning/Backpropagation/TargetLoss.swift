import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// The loss of a decoder's last batch, a few rows of logits at a time, so that they never exist as a whole.
package final class TargetLoss {
  /// Rows whose logits exist at one time.
  static let blockRows = 256
  private let decoder: Decoder
  private let compute: Compute
  private let ahead: Bool
  private var scores: [TargetScore?]

  /// `ahead`: the loss of the prediction module, whose targets are the tokens after the next ones.
  package init(_ decoder: Decoder, _ compute: Compute, ahead: Bool = false) {
    (self.decoder, self.compute, self.ahead) = (decoder, compute, ahead)
    scores = Array(repeating: nil, count: Self.blockRows)
  }

  /// −Σ log p(target) over some rows, and how many were predicted; `targets` are the whole batch's. `use` is called by
  /// every worker for each block of rows: `normed` is what the logits were made from, and these have become the
  /// gradient of the rows' `loss` by them.
  package func measure(
    _ rows: Range<Int>, targets: UnsafePointer<Int32>, _ loss: any RowLoss, factor: Float = 1,
    _ use: (_ block: Range<Int>, _ normed: MatrixView<Float>, _ gradient: MatrixView<Float>, _ worker: Int) -> Void = {
      _, _, _, _ in
    }
  ) -> (sum: Double, predicted: Int) {
    var (sum, predicted) = (0.0, 0)
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
      let block = first..<min(first + Self.blockRows, rows.upperBound)
      loss.begin(rows: block)
      let (normed, logits) = decoder.logits(ofRows: block, ahead: ahead)
      scores.withUnsafeMutableBufferPointer { scores in
        compute.pool.run { worker in
          for row in compute.share(of: logits.rowCount, worker: worker) {
            let known = LogitRow(
              number: first + row, target: targets[first + row], logits: logits[row], count: logits.columns)
            scores[row] = loss.learn(known, factor: factor, on: compute, worker: worker)
          }
          compute.pool.barrier(worker: worker)
          use(block, normed, logits, worker)
        }
      }
      for case let score? in scores.prefix(block.count) {
        sum -= Double(score.logprob)
        predicted += 1
      }
    }
    return (sum, predicted)
  }

  /// Those of each leaf.
  package func measure(_ leaves: [Leaf], targets: UnsafePointer<Int32>) -> StepLoss {
    var loss = StepLoss()
    let crossEntropy = CrossEntropyLoss()
    for leaf in leaves { loss.append(measure(leaf.rows, targets: targets, crossEntropy)) }
    return loss
  }
}
