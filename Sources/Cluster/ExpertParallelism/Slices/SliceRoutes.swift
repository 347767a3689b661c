/// Which way pieces of rows take from each rank to all others: straight, or in stages, where that takes fewer messages
/// between hosts or sends less. Every rank gets the pieces of every other exactly once.
///
/// Of hosts with as many ranks each, pieces go once to each other host. Of a few hosts each rank sends its own, to the
/// rank with its place there, which passes them on to the others of its host. Where there are more hosts, ranks of a
/// host tell each other first, then each sends all that its host has to some of the others, and in the end they tell
/// each other what came: with r ranks on each of n hosts, ⌈(n − 1) / r⌉ messages between hosts one after another
/// instead of n − 1, where n is odd ⌈n / r⌉. Many hosts of one rank are the places of a rectangle: pieces go along the
/// sender's row, and then, those of a whole row in one message, along the columns. n hosts in a·b places wait twice
/// for a message, and send a + b − 2 of them instead of n − 1.
package struct SliceRoutes: Sendable {
  /// Ranks that one exchanges messages with in a stage.
  package struct Stage: Sendable {
    /// Whose pieces this rank sends to each of its peers; none where it has nothing to tell.
    package let origins: [Int]
    /// Peers, the nearest after this rank first, so that not all begin with the same; and whose pieces come from each.
    package let peers: [(rank: Int, origins: [Int])]
  }

  fileprivate enum Shape {
    case straight
    /// Rows and columns of hosts that have one rank each.
    case rectangle(columns: Int)
    /// Hosts of several ranks, in which those with one place tell each other; or those of a host first.
    case places(Hosts)
    case pooled(Hosts)
  }

  /// Hosts of as many ranks each.
  fileprivate struct Hosts {
    let ranks: [[Int]]
    /// By rank.
    let host: [Int]
    let place: [Int]
  }

  /// Further messages that take as long as waiting for one: a message among several costs a quarter of a lone one's
  /// latency (`LinkModel`).
  private static let messagesOfLatency = 4
  /// Messages between hosts that another stage within hosts must save.
  private static let messagesOfStage = 2

  package let rankCount: Int
  private let shape: Shape

  /// `hostOfRank` is any number for each rank's host.
  package init(hostOfRank: [Int]) {
    rankCount = hostOfRank.count
    let ranks = Dictionary(grouping: hostOfRank.indices) { hostOfRank[$0] }.values.map { $0.sorted() }
      .sorted { $0[0] < $1[0] }
    let perHost = ranks.first?.count ?? 1
    if ranks.count > 1, perHost > 1, ranks.allSatisfy({ $0.count == perHost }) {
      var (host, place) = (Array(repeating: 0, count: rankCount), Array(repeating: 0, count: rankCount))
      for (number, own) in ranks.enumerated() {
        for (index, rank) in own.enumerated() { (host[rank], place[rank]) = (number, index) }
      }
      let hosts = Hosts(ranks: ranks, host: host, place: place)
      shape = ranks.count - 1 - hosts.mostServed < Self.messagesOfStage ? .places(hosts) : .pooled(hosts)
    } else if perHost == 1, ranks.count == rankCount, let columns = Self.columns(rankCount) {
      shape = .rectangle(columns: columns)
    } else {
      shape = .straight
    }
  }

  /// The most ranks whose pieces one message has.
  package var mostOrigins: Int {
    switch shape {
    case .straight: 1
    case .rectangle(let columns): columns
    case .places(let hosts): hosts.ranks.count
    case .pooled(let hosts): hosts.ranks[0].count * max(1, hosts.mostServed)
    }
  }

  package var stageCount: Int {
    switch shape {
    case .straight: 1
    case .rectangle, .places: 2
    case .pooled: 3
    }
  }

  /// The stages of a rank, one after another.
  package func stages(of rank: Int) -> [Stage] {
    func peers(_ group: some Sequence<Int>, origins: (Int) -> [Int]) -> [(rank: Int, origins: [Int])] {
      group.filter { $0 != rank }.sorted {
        ($0 + rankCount - rank) % rankCount < ($1 + rankCount - rank) % rankCount
      }.map { ($0, origins($0)) }
    }
    switch shape {
    case .straight: return [Stage(origins: [rank], peers: peers(0..<rankCount) { [$0] })]
    case .rectangle(let columns):
      func row(_ rank: Int) -> [Int] { Array((rank / columns * columns)..<(rank / columns * columns + columns)) }
      return [
        Stage(origins: [rank], peers: peers(row(rank)) { [$0] }),
        Stage(
          origins: row(rank), peers: peers(stride(from: rank % columns, to: rankCount, by: columns), origins: row)),
      ]
    case .places(let hosts):
      func alike(_ rank: Int) -> [Int] { hosts.ranks.map { $0[hosts.place[rank]] } }
      return [
        Stage(origins: [rank], peers: peers(alike(rank)) { [$0] }),
        Stage(origins: alike(rank), peers: peers(hosts.neighbours(of: rank), origins: alike)),
      ]
    case .pooled(let hosts):
      let place = hosts.place[rank]
      func heard(_ rank: Int) -> [Int] { hosts.served(by: rank).flatMap { hosts.ranks[$0] } }
      return [
        Stage(origins: [rank], peers: peers(hosts.neighbours(of: rank)) { [$0] }),
        Stage(
          origins: hosts.neighbours(of: rank),
          peers: peers(hosts.served(by: rank).map { hosts.ranks[$0][place] }, origins: hosts.neighbours)),
        Stage(origins: heard(rank), peers: peers(hosts.neighbours(of: rank), origins: heard)),
      ]
    }
  }

  /// Columns of a rectangle with as few messages as can be; nil where a single stage takes less.
  private static func columns(_ count: Int) -> Int? {
    guard let rows = (2...max(2, count)).last(where: { $0 * $0 <= count && count % $0 == 0 }) else { return nil }
    let columns = count / rows
    return count - rows - columns + 2 > messagesOfLatency ? columns : nil
  }
}

extension SliceRoutes.Hosts {
  /// All ranks of a rank's host.
  func neighbours(of rank: Int) -> [Int] { ranks[host[rank]] }

  /// Hosts that a rank tells what its own has: those that its host meets in the rounds of its place. Rounds are those
  /// of a tournament in which every two hosts meet once: *i* and *j* in round *i* + *j* modulo an odd number of hosts;
  /// of an even number the last one meets whoever would have met itself.
  func served(by rank: Int) -> [Int] {
    let (own, count) = (host[rank], ranks.count)
    let rounds = count % 2 == 0 ? count - 1 : count
    func round(_ other: Int) -> Int {
      if count % 2 == 0, max(own, other) == count - 1 { return 2 * min(own, other) % rounds }
      return (own + other) % rounds
    }
    return (0..<count).filter { $0 != own && round($0) % ranks[0].count == place[rank] }
  }

  /// The most that one rank serves.
  var mostServed: Int { (0..<host.count).map { served(by: $0).count }.max() ?? 0 }
}
