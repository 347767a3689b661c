import Backpropagation
import Fabric
import Testing

@testable import DistributedTraining

/// Losses of leaves that lie on several ranks, added up.
struct TotalLossTests {
  /// Added in another order they are another number.
  private static let losses = [1.5, 1e16, -1e16, 0.25, 3, 1e-3, 7]

  private static func total(_ losses: [Double], ranks: Int) throws -> [TotalLoss] {
    let ends = (0...ranks).map { losses.count * $0 / ranks }
    return try LocalFabric.run(size: ranks) { communicator -> TotalLoss in
      let rank = communicator.rank.index
      let own = ends[rank]..<ends[rank + 1]
      var loss = StepLoss()
      (loss.crossEntropy, loss.balance) = (Array(losses[own]), own.map { Double($0) })
      loss.predicted = own.map { $0 + 1 }
      return try TotalLoss(loss, over: communicator, leaves: zip(ends, ends.dropFirst()).map { $1 - $0 })
    }
  }

  @Test(arguments: 1...8) func theSumIsThatOfTheLeavesInTheirOrder(ranks: Int) throws {
    let expected = Self.losses.reduce(0, +)
    #expect(expected != Self.losses.reversed().reduce(0, +))
    for total in try Self.total(Self.losses, ranks: ranks) {
      #expect(total.crossEntropy == expected && total.balance == 21 && total.predicted == 28)
      #expect(total.ahead == 0 && total.predictedAhead == 0 && total.firstBad == nil)
    }
  }

  @Test(arguments: 1...8) func theFirstLeafThatIsNoNumberIsFound(ranks: Int) throws {
    for (place, value) in [(0, Double.nan), (3, .infinity), (6, -.infinity)] {
      var losses = Self.losses
      (losses[place], losses[6]) = (value, .nan)
      #expect(try Self.total(losses, ranks: ranks).allSatisfy { $0.firstBad == place })
    }
  }
}
