import Backpropagation
import Fabric

/// The losses of all leaves of a step, added in their order: the same on any number of ranks.
struct TotalLoss {
  private(set) var crossEntropy = 0.0
  private(set) var balance = 0.0
  private(set) var predicted = 0
  /// Of the prediction module.
  private(set) var ahead = 0.0
  private(set) var predictedAhead = 0
  /// The first leaf whose loss is no number.
  private(set) var firstBad: Int?

  /// `leaves`: how many each rank has. Collective.
  init(_ own: StepLoss, over communicator: any Communicator, leaves: [Int]) throws {
    var bytes: [UInt8] = []
    for i in own.crossEntropy.indices {
      let predicts = own.ahead.indices.contains(i)
      for number in [
        own.crossEntropy[i], own.balance[i], Double(own.predicted[i]), predicts ? own.ahead[i] : 0,
        predicts ? Double(own.predictedAhead[i]) : 0,
      ] {
        withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
      }
    }
    var leaf = 0
    for (rank, text) in try communicator.allGather(bytes).enumerated() {
      var reader = DoubleReader(text)
      for _ in 0..<leaves[rank] {
        let loss = try reader.next()
        crossEntropy += loss
        balance += try reader.next()
        predicted += Int(try reader.next())
        let ahead = try reader.next()
        self.ahead += ahead
        predictedAhead += Int(try reader.next())
        if !(loss + ahead).isFinite, firstBad == nil { firstBad = leaf }
        leaf += 1
      }
    }
  }
}
