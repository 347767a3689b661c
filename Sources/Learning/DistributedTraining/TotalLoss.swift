import Backpropagation
import Fabric

/// The losses of all leaves of a step, added in their order.
struct TotalLoss: LeafFindings {
  private(set) var crossEntropy = 0.0
  private(set) var balance = 0.0
  private(set) var predicted = 0
  /// Of the prediction module.
  private(set) var ahead = 0.0
  private(set) var predictedAhead = 0
  private var leafCount = 0
  private var badLeaf = -1

  /// The first leaf whose loss is no number.
  var firstBad: Int? { badLeaf < 0 ? nil : badLeaf }

  init() {}

  /// `leaves`: how many each rank has. Collective.
  init(_ own: StepLoss, over communicator: any Communicator, leaves: [Int]) throws {
    self = try .total(own.crossEntropy.indices.map { TotalLoss(own, leaf: $0) }, over: communicator)
    guard leafCount == leaves.reduce(0, +) else {
      throw DistributedTrainingError.ranksDisagree("how many sequences a step has")
    }
  }

  private init(_ own: StepLoss, leaf: Int) {
    (crossEntropy, balance, predicted) = (own.crossEntropy[leaf], own.balance[leaf], own.predicted[leaf])
    if own.ahead.indices.contains(leaf) { (ahead, predictedAhead) = (own.ahead[leaf], own.predictedAhead[leaf]) }
  }

  mutating func add(_ leaf: TotalLoss) {
    crossEntropy += leaf.crossEntropy
    balance += leaf.balance
    predicted += leaf.predicted
    ahead += leaf.ahead
    predictedAhead += leaf.predictedAhead
    if badLeaf < 0, !(leaf.crossEntropy + leaf.ahead).isFinite { badLeaf = leafCount }
    leafCount += 1
  }
}
