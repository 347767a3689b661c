import Fabric

/// Which rank of each host takes in what a rank of another host sends to that host's ranks.
///
/// Ranks of one host have different gateways on another as far as there are that many, so that no rank serves all.
package struct Gateways: Sendable {
  /// Hosts, each as its ranks in ascending order.
  private let hosts: [[Rank]]
  /// By rank: its host, and its place there.
  private let hostOf: [Int]
  private let placeOf: [Int]

  /// `hostOfRank` is the lowest rank of each rank's host.
  package init(hostOfRank: [Int]) {
    let leaders = Set(hostOfRank).sorted()
    var hosts = [[Rank]](repeating: [], count: leaders.count)
    var hostOf = [Int](repeating: 0, count: hostOfRank.count)
    var placeOf = hostOf
    for (host, leader) in leaders.enumerated() {
      for rank in hostOfRank.indices where hostOfRank[rank] == leader {
        (hostOf[rank], placeOf[rank]) = (host, hosts[host].count)
        hosts[host].append(Rank(rank))
      }
    }
    (self.hosts, self.hostOf, self.placeOf) = (hosts, hostOf, placeOf)
  }

  /// Whether a token may have to go to several ranks of a host that it can go to once.
  package var save: Bool { hosts.count > 1 && hosts.contains { $0.count > 1 } }

  package func share(_ a: Rank, _ b: Rank) -> Bool { hostOf[a.index] == hostOf[b.index] }

  /// Where `sender` sends what is for ranks of `peer`'s host; `peer` itself on its own.
  package func gateway(of sender: Rank, towards peer: Rank) -> Rank {
    guard !share(sender, peer) else { return peer }
    let ranks = hosts[hostOf[peer.index]]
    return ranks[(placeOf[sender.index] + hostOf[sender.index]) % ranks.count]
  }

  /// A rank's place among those of its host, and the ranks of a host by their places.
  func place(of rank: Rank) -> Int { placeOf[rank.index] }
  func ranks(onHostOf rank: Rank) -> [Rank] { hosts[hostOf[rank.index]] }
}
