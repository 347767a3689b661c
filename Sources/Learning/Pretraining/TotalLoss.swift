import Backpropagation
import Fabric
import Gradients
import Kernels
import MoEModel
import Tensors

/// The losses of all leaves of a step, added in their order: the same on any number of ranks.
struct TotalLoss {
  private(set) var crossEntropy = 0.0
  private(set) var balance = 0.0
  private(set) var predicted = 0
  /// The first sequence whose loss is no number.
  private(set) var firstBad: String?

  /// `leaves`: how many each rank has. Collective.
  init(_ own: StepLoss, over communicator: any Communicator, leaves: [Int]) throws {
    var bytes: [UInt8] = []
    for i in own.crossEntropy.indices {
      for number in [own.crossEntropy[i], own.balance[i], Double(own.predicted[i])] {
        withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
      }
    }
    var leaf = 0
    for (rank, text) in try communicator.allGather(bytes).enumerated() {
      var reader = DoubleReader(text)
      for _ in 0..<leaves[rank] {
        let loss = try reader.next()
        if !loss.isFinite, firstBad == nil { firstBad = "of sequence \(leaf) of the step, on rank \(rank)" }
        crossEntropy += loss
        balance += try reader.next()
        predicted += Int(try reader.next())
        leaf += 1
      }
    }
  }
}

/// The loss of the decoder's last batch, without gradients.
struct TargetLoss {
  private static let blockRows = 256
  private let decoder: Decoder
  private let compute: Compute

  init(_ decoder: Decoder, _ compute: Compute) { (self.decoder, self.compute) = (decoder, compute) }

  func measure(_ leaves: [Leaf], targets: UnsafePointer<Int32>) -> StepLoss {
    var loss = StepLoss(crossEntropy: [], balance: [], predicted: [])
    var scores: [TargetScore?] = Array(repeating: nil, count: Self.blockRows)
    for leaf in leaves {
      var (sum, predicted) = (0.0, 0)
      for first in stride(from: leaf.rows.lowerBound, to: leaf.rows.upperBound, by: Self.blockRows) {
        let block = first..<min(first + Self.blockRows, leaf.rows.upperBound)
        let logits = decoder.logits(ofRows: block).logits
        scores.withUnsafeMutableBufferPointer { scores in
          compute.pool.run {
            compute.crossEntropy(logits, targets: targets + first, factor: 1, scores: scores.baseAddress!, worker: $0)
          }
        }
        for case let score? in scores.prefix(block.count) {
          sum -= Double(score.logprob)
          predicted += 1
        }
      }
      loss.crossEntropy.append(sum)
      loss.predicted.append(predicted)
      loss.balance.append(0)
    }
    return loss
  }
}
