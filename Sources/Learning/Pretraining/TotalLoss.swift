import Backpropagation
import Fabric

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
