/// Which way pieces of rows take from each rank to all others: straight, or in two stages, where that takes fewer
/// messages or sends less between hosts. Every rank gets the pieces of every other exactly once.
///
/// Of hosts with as many ranks each, pieces go once to each other host, to the rank with the sender's place there, and
/// then to the others of that host. Many hosts of one rank are the places of a rectangle: pieces go along the sender's
/// row, and then, those of a whole row in one message, along the columns. n hosts in a·b places wait twice for a
/// message, and send a + b − 2 of them instead of n − 1.
package struct SliceRoutes: Sendable {
  /// Ranks that one exchanges messages with in a stage.
  package struct Stage: Sendable {
    /// Whose pieces this rank sends to each of its peers.
    package let origins: [Int]
    /// Peers, the nearest after this rank first, so that not all begin with the same; and whose pieces come from each.
    package let peers: [(rank: Int, origins: [Int])]
  }

  /// Further messages that take as long as waiting for one: a message among several costs a quarter of a lone one's
  /// latency (`LinkModel`).
  private static let messagesOfLatency = 4

  package let rankCount: Int
  /// Ranks that tell each other in the first stage, and those in the second; nil where there is one, of all.
  private let groups: (first: [[Int]], second: [[Int]])?
  /// By rank: which of them it is in.
  private let places: (first: [Int], second: [Int])

  /// The most ranks whose pieces one message has.
  package var mostOrigins: Int { groups?.first.map(\.count).max() ?? 1 }
  package var stageCount: Int { groups == nil ? 1 : 2 }

  /// `hostOfRank` is any number for each rank's host.
  package init(hostOfRank: [Int]) {
    let size = hostOfRank.count
    let hosts = Dictionary(grouping: hostOfRank.indices) { hostOfRank[$0] }.values.map { $0.sorted() }
      .sorted { $0[0] < $1[0] }
    let perHost = hosts.first?.count ?? 1
    rankCount = size
    if hosts.count > 1, perHost > 1, hosts.allSatisfy({ $0.count == perHost }) {
      groups = ((0..<perHost).map { place in hosts.map { $0[place] } }, hosts)
    } else if perHost == 1, hosts.count == size, let (rows, columns) = Self.rectangle(size) {
      groups = (
        (0..<rows).map { row in (0..<columns).map { row * columns + $0 } },
        (0..<columns).map { column in (0..<rows).map { $0 * columns + column } }
      )
    } else {
      groups = nil
    }
    func places(_ groups: [[Int]]) -> [Int] {
      var places = Array(repeating: 0, count: size)
      for (number, group) in groups.enumerated() { for rank in group { places[rank] = number } }
      return places
    }
    self.places = (places(groups?.first ?? []), places(groups?.second ?? []))
  }

  /// The stages of a rank, one after another.
  package func stages(of rank: Int) -> [Stage] {
    func peers(_ group: some Sequence<Int>, origins: (Int) -> [Int]) -> [(rank: Int, origins: [Int])] {
      group.filter { $0 != rank }.sorted {
        ($0 + rankCount - rank) % rankCount < ($1 + rankCount - rank) % rankCount
      }.map { ($0, origins($0)) }
    }
    guard let groups else { return [Stage(origins: [rank], peers: peers(0..<rankCount) { [$0] })] }
    let first = groups.first[places.first[rank]]
    return [
      Stage(origins: [rank], peers: peers(first) { [$0] }),
      Stage(
        origins: first, peers: peers(groups.second[places.second[rank]]) { groups.first[places.first[$0]] }),
    ]
  }

  /// Rows and columns with as few messages as can be; nil where a single stage takes less.
  private static func rectangle(_ count: Int) -> (rows: Int, columns: Int)? {
    guard let rows = (2...max(2, count)).last(where: { $0 * $0 <= count && count % $0 == 0 }) else { return nil }
    let columns = count / rows
    return count - rows - columns + 2 > messagesOfLatency ? (rows, columns) : nil
  }
}
