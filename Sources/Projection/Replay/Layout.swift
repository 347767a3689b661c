import ExpertParallelism
import Fabric

/// Ranks, and the hosts they are on.
package struct Layout: Sendable {
  package let rankCount: Int
  package let hostOfRank: [Int]
  package let placement: ExpertPlacement

  package init(rankCount: Int, hostOfRank: [Int], expertCount: Int) {
    self.rankCount = rankCount
    self.hostOfRank = hostOfRank
    placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
  }

  /// Filled host by host.
  package init(rankCount: Int, ranksPerHost: Int, expertCount: Int) {
    self.init(rankCount: rankCount, hostOfRank: (0..<rankCount).map { $0 / ranksPerHost }, expertCount: expertCount)
  }

  package var hostCount: Int { Set(hostOfRank).count }
}
