import ExpertParallelism
import Fabric

/// Ranks, the hosts they are on, and which experts each holds.
package struct Layout: Sendable {
  package let rankCount: Int
  package let hostOfRank: [Int]
  package let placement: ModelPlacement
  /// A token goes once to each other host, and the sums of a host's ranks come back added up.
  let gateways: Gateways

  /// `placement`: of so many ranks; nil for the plain one.
  package init(rankCount: Int, hostOfRank: [Int], expertCount: Int, placement: ModelPlacement? = nil) {
    self.rankCount = rankCount
    self.hostOfRank = hostOfRank
    self.placement = placement ?? ModelPlacement(expertCount: expertCount, rankCount: rankCount)
    gateways = Gateways(hostOfRank: hostOfRank)
  }

  /// `rankCount` ranks, `ranksPerHost` on each host but maybe the last, and `placement` as above.
  package init(rankCount: Int, ranksPerHost: Int, expertCount: Int, placement: ModelPlacement? = nil) {
    self.init(
      rankCount: rankCount, hostOfRank: (0..<rankCount).map { $0 / ranksPerHost }, expertCount: expertCount,
      placement: placement)
  }

  /// Whether a rank with tokens sends another a message.
  func sends(_ from: Int, _ to: Int) -> Bool { gateways.gateway(of: Rank(from), towards: Rank(to)) == Rank(to) }

  package var hostCount: Int { Set(hostOfRank).count }
}
