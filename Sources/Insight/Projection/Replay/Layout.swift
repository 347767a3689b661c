import ExpertParallelism
import Fabric

/// Ranks, and the hosts they are on.
package struct Layout: Sendable {
  package let rankCount: Int
  package let hostOfRank: [Int]
  package let placement: ExpertPlacement
  /// A token goes once to each other host, and the sums of a host's ranks come back added up.
  let gateways: Gateways
  let placementByHost: ExpertPlacement

  package init(rankCount: Int, hostOfRank: [Int], expertCount: Int) {
    self.rankCount = rankCount
    self.hostOfRank = hostOfRank
    placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
    gateways = Gateways(hostOfRank: hostOfRank)
    placementByHost = gateways.placementByHost(placement)
  }

  /// Filled host by host.
  package init(rankCount: Int, ranksPerHost: Int, expertCount: Int) {
    self.init(rankCount: rankCount, hostOfRank: (0..<rankCount).map { $0 / ranksPerHost }, expertCount: expertCount)
  }

  /// Whether a rank with tokens sends another a message.
  func sends(_ from: Int, _ to: Int) -> Bool { gateways.gateway(of: Rank(from), towards: Rank(to)) == Rank(to) }

  package var hostCount: Int { Set(hostOfRank).count }
}
